"""Repricing: corrections in the ledger, and a rollup as if the price had existed from the start."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from functools import partial
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from accounts.tests.support.admin_site import page, static_files_as_they_are, superuser
from accounts.tests.support.at_once import at_once
from billing.fields import MAX_PICO
from billing.models import DailyUsage, UsageEvent
from billing.models.rollup_columns import KEY, SUMS
from billing.pricing import cost_pico
from billing.reports.corrections import with_corrections
from billing.services import reprice
from billing.services.reprice import events_reprice
from billing.services.rollup import rollup_rebuild, rollup_wrong_rows
from billing.services.usage import MeteredCall, usage_stage
from billing.tests.factories import NOON, RATES, USAGE_PICO, call, make_model, make_price, payer, report
from orchestration.engine.specs import Usage
from orchestration.models import LlmModel

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


def stage(*calls: MeteredCall, **who: Any) -> None:
    with transaction.atomic():
        usage_stage(payer=payer(**who), calls=calls)


def command(*options: str) -> str:
    out = StringIO()
    call_command("reprice", "--from", "2026-11-20", *options, stdout=out)
    return out.getvalue()


def rollup_rows() -> set[tuple[Any, ...]]:
    return set(DailyUsage.objects.values_list(*KEY, *SUMS))


@pytest.fixture
def model(db: None) -> LlmModel:
    return make_model("late", priced=False)


@pytest.fixture
def event(model: LlmModel) -> UsageEvent:
    """An unpriced call of a model that has a price now."""
    stage(call(model, report=report(source="estimated", cost_usd="0.5")))
    make_price(model)
    return UsageEvent.objects.get()


def test_a_call_is_priced_by_a_row_beside_it(event: UsageEvent) -> None:
    before = UsageEvent.objects.filter(pk=event.pk).values().get()
    said = command()
    assert UsageEvent.objects.filter(pk=event.pk).values().get() == before
    correction = event.corrections.get()
    assert correction.cost_pico == USAGE_PICO == cost_pico(event.usage, correction.price)
    assert correction.usage == Usage()
    assert (correction.created_at, correction.source) == (event.created_at, "estimated")
    assert correction.provider_cost_pico is None
    assert "late: 1 calls priced, 0.0006 USD" in said


def test_the_rollup_is_as_if_the_price_had_been_there(event: UsageEvent) -> None:
    assert (DailyUsage.objects.get().unpriced_calls, DailyUsage.objects.get().cost_pico) == (1, 0)
    command()
    row = DailyUsage.objects.get()
    assert (row.day, row.calls, row.unpriced_calls, row.input_tokens) == (NOON.date(), 1, 0, 100)
    assert row.cost_pico == row.estimated_cost_pico == USAGE_PICO
    assert rollup_wrong_rows(day=NOON.date()) == 0


def test_rebuilding_gives_the_same_rows(model: LlmModel) -> None:
    chance = random.Random(4)
    other = make_model("priced")
    for _ in range(20):
        usage = Usage(*(chance.randrange(1000) for _ in range(5)))
        stage(
            call(
                chance.choice([model, other]),
                ended_at=NOON + DAY * chance.randrange(3),
                agent_id=uuid.UUID(int=chance.randrange(1, 4)),
                report=report(usage, chance.choice(["provider", "estimated"])),
            )
        )
    make_price(model, effective_from=NOON + DAY)
    command()
    rows = rollup_rows()
    assert {row[-1] > 0 for row in rows} == {True, False}
    for offset in range(3):
        assert rollup_rebuild(day=NOON.date() + DAY * offset).wrong == 0
    assert rollup_rows() == rows


def test_the_second_time_nothing_changes(event: UsageEvent) -> None:
    command()
    events, rows = list(UsageEvent.objects.values()), rollup_rows()
    assert "Priced 0 calls" in command()
    assert (list(UsageEvent.objects.values()), rollup_rows()) == (events, rows)


def test_the_price_of_the_moment_and_tier_counts(model: LlmModel) -> None:
    stage(call(model), call(model, ended_at=NOON + DAY), call(model, report=report(Usage(input=1_000))))
    make_price(model)
    make_price(model, effective_from=NOON + DAY, input_pico=1)
    make_price(model, min_input_tokens=1_000, input_pico=7)
    command()
    costs = set(UsageEvent.objects.exclude(corrects=None).values_list("cost_pico", flat=True))
    assert costs == {USAGE_PICO, USAGE_PICO - 100 * (RATES["input_pico"] - 1), 7_000}


def test_a_call_from_before_the_price_stays_unpriced_and_is_reported(model: LlmModel) -> None:
    stage(call(model))
    make_price(model, effective_from=NOON + DAY)
    assert "late: 0 calls priced, 0.00 USD; 1 had no price in effect" in command()
    assert DailyUsage.objects.get().unpriced_calls == 1


def test_a_cost_that_no_call_has_stays_unpriced(model: LlmModel) -> None:
    stage(call(model, report=report(Usage(input=2))))
    make_price(model, input_pico=MAX_PICO)
    assert "1 had no price" in command()


def test_a_call_that_had_a_price_is_left_alone(event: UsageEvent, model: LlmModel) -> None:
    stage(call(model))
    assert "1 calls priced" in command()
    assert UsageEvent.objects.exclude(corrects=None).count() == 1


@pytest.mark.parametrize(
    ("options", "priced"),
    [
        (["--model", "late"], 3),
        (["--model", "demo"], 0),
        (["--to", "2026-11-22"], 1),
        (["--to", "2026-11-23"], 2),
    ],
)
def test_only_what_is_asked_for(model: LlmModel, options: list[str], priced: int) -> None:
    stage(*(call(model, ended_at=NOON.replace(hour=23) + DAY * offset) for offset in (-9, 0, 1, 2)))
    make_price(model)
    assert f"Priced {priced} calls" in command(*options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", "nobody"], "Unknown model nobody"),
        (["--to", "2026-11-01"], "after"),
        (["--to", "x"], "not a date"),
        (["--to", "9999-12-31"], "not between"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        command(*options)


def test_many_calls_go_in_batches_and_none_is_left_out(model: LlmModel, monkeypatch: Any) -> None:
    monkeypatch.setattr(reprice, "BATCH", 3)
    stage(*(call(model, ended_at=NOON + dt.timedelta(seconds=number // 4)) for number in range(10)))
    make_price(model, effective_from=NOON + dt.timedelta(seconds=1))
    [found] = events_reprice(start=NOON)
    assert (found.priced, found.left, found.cost_pico) == (6, 4, 6 * USAGE_PICO)
    assert rollup_wrong_rows(day=NOON.date()) == 0


def test_a_call_counts_once_with_its_correction(event: UsageEvent, model: LlmModel) -> None:
    stage(call(model))
    command()
    calls = with_corrections(UsageEvent.objects.all())
    assert [row.cost_pico for row in calls] == [USAGE_PICO] * 2
    assert all(row.price_id for row in calls)
    assert with_corrections(calls) == calls
    assert UsageEvent.objects.calls().count() == 2
    assert not UsageEvent.objects.unpriced().exists()


def test_the_ledger_page_says_that_a_call_was_priced_later(event: UsageEvent) -> None:
    client = superuser()
    listed = page(UsageEvent, "changelist")
    assert "unpriced</td>" in client.get(listed).content.decode()
    assert client.get(listed, {"priced": "no"}).context["cl"].result_count == 1
    command()
    body = client.get(listed).content.decode()
    assert "unpriced</td>" not in body
    assert page(UsageEvent, "change", event.corrections.get().pk) in body
    assert client.get(listed, {"priced": "no"}).context["cl"].result_count == 0


@pytest.mark.django_db(transaction=True)
def test_twice_at_once_while_turns_commit() -> None:
    model = make_model("late", priced=False)
    stage(*(call(model) for _ in range(40)))
    make_price(model)

    def commit() -> None:
        for _ in range(10):
            stage(call(model))

    outcomes = at_once(partial(events_reprice, start=NOON), partial(events_reprice, start=NOON), commit)
    assert not any(isinstance(outcome, Exception) for outcome in outcomes), outcomes
    assert UsageEvent.objects.exclude(corrects=None).count() == 40
    row = DailyUsage.objects.get()
    assert (row.calls, row.unpriced_calls, row.cost_pico) == (50, 0, 50 * USAGE_PICO)
    assert rollup_wrong_rows(day=NOON.date()) == 0
