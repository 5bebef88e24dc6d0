"""Correcting calls that were billed at a wrong price."""

from __future__ import annotations

import datetime as dt
import uuid
from functools import partial
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import AuditEntry
from accounts.tests.support.at_once import at_once
from billing.models import Budget, BudgetPeriod, DailyUsage, UsageEvent
from billing.pricing import cost_pico
from billing.reports.corrections import with_corrections
from billing.services import reprice
from billing.services.reprice import (
    RepricePeriod,
    correction_of,
    events_reprice,
    model_events_correct,
    reprice_preview,
)
from billing.services.rollup import rollup_rebuild, rollup_wrong_rows
from billing.services.usage import MeteredCall, usage_stage
from billing.tests.factories import NOON, USAGE_PICO, call, make_model, make_price, payer, report
from orchestration.engine.specs import Usage
from orchestration.models import LlmModel

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)
FIRST = NOON - DAY
CHEAPER = USAGE_PICO - 30 * 9_000_000
"""What a call costs if a million output tokens cost USD 1 instead of USD 10."""


def stage(*calls: MeteredCall, **who: Any) -> None:
    with transaction.atomic():
        usage_stage(payer=payer(**who), calls=calls)


def correct(model: LlmModel, **options: Any) -> Any:
    return model_events_correct(
        **{"model": model, "start": FIRST, "reason": "typing error", "actor_id": None, **options}
    )


def command(*options: str) -> str:
    out = StringIO()
    call_command("reprice", "--from", "2026-11-20", *options, stdout=out)
    return out.getvalue()


@pytest.fixture
def model(db: None) -> LlmModel:
    """A model with one call billed at a price ten times too high, and the right price entered since."""
    model = make_model("wrong")
    stage(call(model))
    make_price(model, output_pico=1_000_000)
    return model


def test_a_call_is_corrected_by_the_difference(model: LlmModel) -> None:
    before = UsageEvent.objects.values().get()
    outcome = correct(model)
    assert (outcome.priced, outcome.corrected, outcome.cost_pico) == (0, 1, CHEAPER - USAGE_PICO)
    assert UsageEvent.objects.filter(corrects=None).values().get() == before
    correction = UsageEvent.objects.exclude(corrects=None).get()
    assert (correction.cost_pico, correction.cost_before_pico) == (CHEAPER - USAGE_PICO, USAGE_PICO)
    assert correction.usage == Usage()
    [billed] = with_corrections(UsageEvent.objects.all())
    assert (billed.cost_pico, billed.cost_before_pico) == (CHEAPER, USAGE_PICO)
    assert billed.price_id == correction.price_id
    assert cost_pico(billed.usage, correction.price) == CHEAPER


def test_the_rollup_and_its_own_figure_follow(model: LlmModel) -> None:
    correct(model)
    row = DailyUsage.objects.get()
    assert (row.calls, row.unpriced_calls, row.cost_pico) == (1, 0, CHEAPER)
    assert row.corrected_cost_pico == CHEAPER - USAGE_PICO
    assert rollup_wrong_rows(day=NOON.date()) == 0
    assert rollup_rebuild(day=NOON.date()).wrong == 0


def test_budgets_follow(model: LlmModel) -> None:
    budget = Budget.objects.create(scope="everyone", limit_pico=10**12, period="day", counts_from=NOON.date())
    BudgetPeriod.objects.create(budget=budget, start=NOON.date(), spent_pico=USAGE_PICO)
    correct(model)
    assert BudgetPeriod.objects.get().spent_pico == CHEAPER


def test_a_second_time_nothing_changes(model: LlmModel) -> None:
    correct(model)
    events, rows = list(UsageEvent.objects.values()), list(DailyUsage.objects.values())
    outcome = correct(model)
    assert (outcome.corrected, outcome.cost_pico) == (0, 0)
    assert (list(UsageEvent.objects.values()), list(DailyUsage.objects.values())) == (events, rows)


def test_a_call_may_be_corrected_again(model: LlmModel) -> None:
    correct(model)
    make_price(model)  # the first price again: of rows with one moment, the last entered counts
    assert correct(model).cost_pico == USAGE_PICO - CHEAPER
    make_price(model, output_pico=0)
    correct(model)
    [billed] = with_corrections(UsageEvent.objects.all())
    assert billed.cost_pico == USAGE_PICO - 30 * 10_000_000
    numbers = UsageEvent.objects.exclude(corrects=None).order_by("corrections_before")
    assert [row.corrections_before for row in numbers] == [0, 1, 2]
    assert DailyUsage.objects.get().cost_pico == billed.cost_pico
    assert rollup_wrong_rows(day=NOON.date()) == 0


def test_a_call_that_was_priced_later_is_corrected(db: None) -> None:
    model = make_model("late", priced=False)
    stage(call(model))
    make_price(model)
    events_reprice(start=FIRST)
    make_price(model, output_pico=1_000_000)
    outcome = correct(model)
    assert (outcome.priced, outcome.corrected, outcome.left) == (0, 1, 0)
    row = DailyUsage.objects.get()
    assert (row.unpriced_calls, row.cost_pico, row.corrected_cost_pico) == (0, CHEAPER, CHEAPER - USAGE_PICO)
    assert not UsageEvent.objects.unpriced().exists()


def test_unpriced_calls_are_priced_with_them(model: LlmModel) -> None:
    late = make_model("late", priced=False)
    stage(call(late))
    make_price(late)
    outcome = correct(late)
    assert (outcome.priced, outcome.corrected, outcome.cost_pico) == (1, 0, USAGE_PICO)
    assert DailyUsage.objects.get(model=late).corrected_cost_pico == 0


def test_other_models_and_days_are_left_alone(model: LlmModel) -> None:
    other = make_model("other")
    stage(call(other), call(model, ended_at=NOON - 3 * DAY), call(model, ended_at=NOON + 3 * DAY))
    make_price(other, output_pico=1_000_000)
    assert correct(model, end=NOON + DAY).corrected == 1


def test_the_audit_log_has_who_and_why(model: LlmModel) -> None:
    actor = uuid.uuid4()
    correct(model, actor_id=actor, reason="contract of May")
    entry = AuditEntry.objects.get(action="reprice")
    assert (entry.actor_id, entry.object_id) == (actor, str(model.pk))
    assert entry.after["reason"] == "contract of May"
    correct(model, actor_id=actor)
    assert AuditEntry.objects.filter(action="reprice").count() == 1


def test_batches_have_one_audit_entry(model: LlmModel, monkeypatch: Any) -> None:
    monkeypatch.setattr(reprice, "BATCH", 2)
    make_price(model)
    stage(*(call(model) for _ in range(5)))
    make_price(model, output_pico=1_000_000)
    assert correct(model).corrected == 6
    assert AuditEntry.objects.filter(action="reprice").count() == 1


def test_a_preview_changes_nothing(model: LlmModel) -> None:
    period = RepricePeriod(start=FIRST, with_priced=True)
    outcome = reprice_preview(model=model, period=period, limit=1)
    assert outcome is not None
    assert (outcome.corrected, outcome.cost_pico) == (1, CHEAPER - USAGE_PICO)
    assert UsageEvent.objects.count() == 1
    assert reprice_preview(model=model, period=period, limit=0) is None


def test_the_command_names_what_it_corrected(model: LlmModel) -> None:
    text = command("--model", "wrong", "--reason", "typing error")
    assert "wrong: 0 calls priced, 1 corrected, -0.00027 USD" in text
    assert "Priced 1 calls: -0.00027 USD." in text


def test_without_a_reason_priced_calls_stay(model: LlmModel) -> None:
    assert "Priced 0 calls" in command("--model", "wrong")


@pytest.mark.parametrize(
    ("options", "problem"),
    [(["--reason", "x"], "name it with --model"), (["--model", "wrong", "--reason", " "], "say why")],
)
def test_a_reason_needs_a_model_and_words(model: LlmModel, options: list[str], problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        command(*options)


@pytest.mark.django_db(transaction=True)
def test_twice_at_once_while_turns_commit() -> None:
    model = make_model("wrong")
    stage(*(call(model) for _ in range(40)))
    make_price(model, output_pico=1_000_000)

    def commit() -> None:
        for _ in range(10):
            stage(call(model))

    outcomes = at_once(partial(correct, model), partial(correct, model), commit)
    assert not any(isinstance(outcome, Exception) for outcome in outcomes), outcomes
    row = DailyUsage.objects.get()
    assert (row.calls, row.cost_pico, row.corrected_cost_pico) == (
        50,
        50 * CHEAPER,
        40 * (CHEAPER - USAGE_PICO),
    )
    assert rollup_wrong_rows(day=NOON.date()) == 0


@given(rates=st.lists(st.integers(0, 10**9), min_size=1, max_size=6), tokens=st.integers(0, 10**6))
def test_after_any_corrections_the_sum_is_the_cost_at_the_last_price(rates: list[int], tokens: int) -> None:
    model = LlmModel(alias="any")
    prices: list[Any] = []
    rows = [UsageEvent(id=uuid.uuid4(), model=model, input_tokens=tokens, created_at=NOON, source="provider")]
    for rate in rates:
        prices = [price_of(model, rate)]
        [billed] = with_corrections([UsageEvent(**values_of_row(row)) for row in rows])
        correction = correction_of(billed, prices, number=len(rows) - 1)
        rows += [correction] if correction else []
    assert sum(row.cost_pico or 0 for row in rows) == tokens * rates[-1]


def price_of(model: LlmModel, rate: int) -> Any:
    from billing.models import ModelPrice

    names = ("cache_read_pico", "cache_write_5m_pico", "cache_write_1h_pico", "output_pico")
    return ModelPrice(model=model, effective_from=FIRST, input_pico=rate, **dict.fromkeys(names, 0))


def values_of_row(row: UsageEvent) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in UsageEvent._meta.concrete_fields}


def test_an_estimated_call_stays_estimated(db: None) -> None:
    model = make_model("wrong")
    stage(call(model, report=report(source="estimated")))
    make_price(model, output_pico=1_000_000)
    correct(model)
    assert DailyUsage.objects.get().estimated_cost_pico == CHEAPER
