"""Findings of the ledger audit in holds, budgets, costs, rollups and counts."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.db.migrations import RemoveConstraint
from django.db.migrations.state import ProjectState
from django.db.models import F, Model
from django.utils import timezone

from billing.models import (
    Budget,
    BudgetPeriod,
    DailyUsage,
    Hold,
    HoldLine,
    ModelPrice,
    UsageEvent,
    UsageTotal,
)
from billing.models.bucket_columns import RATES
from billing.services.budgets import budget_save
from billing.services.reprice import events_reprice, model_events_correct
from billing.services.rollup import rollup_add
from billing.tests.support.append_only import changes_allowed
from orchestration.engine.result import TurnResult
from orchestration.engine.specs import UsageReport
from orchestration.models import LlmModel
from sessions.models import Call, Turn
from sessions.services.leases import turn_claim
from sessions.services.turn_accept import turn_accept
from sessions.services.turn_request import TurnRequest
from sessions.tests.factories import make_agent, make_session
from sessions.tests.services.test_turn_commit import commit, finish_call
from sessions.tests.support.audit import broken, call, copy_of, running, turn

__all__ = ["call", "running", "turn"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nobody_runs")]


def book(call: Call, **changes: Any) -> UsageEvent:
    """Bill another attempt of a call's step with an event that is not as usage_stage writes it; the rollup agrees."""
    event = copy_of(UsageEvent.objects.get(pk=call.pk), **changes)
    event.save()
    number = Call.objects.filter(turn=call.turn).count() + 1
    report = UsageReport(event.usage, event.source)
    copy_of(call, id=event.pk, number=number, attempt=number, usage=report.as_dict()).save()
    with transaction.atomic():
        rollup_add([event])
    return event


@contextmanager
def without(model: type[Model], name: str) -> Iterator[None]:
    """Take a constraint away; what breaks it must be gone at the end."""
    app, removal = model._meta.app_label, RemoveConstraint(model._meta.model_name or "", name)
    before = ProjectState.from_apps(apps)
    after = before.clone()
    removal.state_forwards(app, after)
    with connection.schema_editor() as editor:
        removal.database_forwards(app, editor, before, after)
    try:
        yield
    finally:
        with connection.schema_editor() as editor:
            removal.database_backwards(app, editor, after, before)


@pytest.fixture
def budget(db: None) -> Budget:
    """Made before the turns, so that they hold."""
    return budget_save(budget=Budget(scope="everyone", limit_pico=10**15))


def test_3_a_hold_that_outlives_its_turn(budget, turn) -> None:
    assert broken() == {}
    Hold.objects.filter(turn_id=turn.pk).update(resolved_at=None)
    line = HoldLine.objects.get(hold=turn.pk)
    assert broken() == {
        3: [
            f"without a running turn: open hold {turn.pk}",
            f"period {line.period_id} of budget {budget.pk}: the held amount is not the sum of its open holds",
        ]
    }


def test_3_a_hold_that_was_resolved_too_early(budget, running) -> None:
    Hold.objects.filter(turn_id=running.pk).update(resolved_at=timezone.now())
    assert broken()[3][0] == f"resolved before its turn ended: hold {running.pk}"


def test_3_more_is_held_than_the_holds_have_taken(budget, running) -> None:
    period = budget.periods.get()
    BudgetPeriod.objects.filter(pk=period.pk).update(held_pico=F("held_pico") + 1)
    assert broken() == {
        3: [f"period {period.pk} of budget {budget.pk}: the held amount is not the sum of its open holds"]
    }


@pytest.mark.parametrize("fields", [{}, {"applies": "each"}, {"period": "day"}, {"hard": False}])
def test_4_more_was_spent_than_the_events_cost(turn, fields) -> None:
    budget = budget_save(budget=Budget(**{"scope": "everyone", "limit_pico": 10**15, **fields}))
    assert broken() == {}
    period = budget.periods.get()
    BudgetPeriod.objects.filter(pk=period.pk).update(spent_pico=F("spent_pico") + 1)
    spent = period.spent_pico
    line = f"period {period.pk} of budget {budget.pk}: spent {spent + 1}, its events cost {spent}"
    assert broken() == {4: [line]}


@pytest.mark.parametrize("period", ["day", "month"])
@pytest.mark.parametrize("fields", [{}, {"applies": "each"}, {"scope": "user"}])
def test_4_a_period_that_is_gone(turn, alice, fields, period) -> None:
    target = {"target_id": alice.pk} if fields.get("scope") else {}
    made = Budget(**{"scope": "everyone", "limit_pico": 10**15, "period": period, **fields, **target})
    budget = budget_save(budget=made)
    start = budget.periods.get().start
    budget.periods.all().delete()
    whose = f" for user {alice.pk}" if fields.get("applies") else ""
    assert broken() == {4: [f"budget {budget.pk}: no period from {start}{whose}"]}


def test_4_a_budget_needs_no_period_of_what_it_does_not_count(turn, alice) -> None:
    """Nothing was spent since it counts, or by nobody whom it counts."""
    tomorrow = timezone.now().date() + dt.timedelta(days=1)
    later = budget_save(budget=Budget(scope="everyone", limit_pico=10**15, period="day"))
    other = budget_save(budget=Budget(scope="user", target_id=uuid.uuid4(), limit_pico=10**15))
    Budget.objects.filter(pk=later.pk).update(counts_from=tomorrow)
    BudgetPeriod.objects.filter(budget__in=[later, other]).delete()
    assert broken() == {}


def test_4_what_cost_nothing_makes_no_period(alice) -> None:
    made = budget_save(budget=Budget(scope="everyone", applies="each", limit_pico=10**15))
    agent = make_agent(alice, "demo", LlmModel.objects.get(alias="demo"))
    session = make_session(alice, agent)
    free = turn_accept(user=alice, session=session, request=TurnRequest(message="Hi"))
    claimed = turn_claim(turn_id=free.pk, runner_id=uuid.uuid4())
    assert claimed is not None
    commit(claimed, TurnResult("completed", (finish_call(claimed, "demo", 1),)))
    assert UsageEvent.objects.get().cost_pico == 0
    assert not made.periods.exists()
    assert broken() == {}


def test_5_a_cost_that_is_a_pico_off(turn, call) -> None:
    cost = UsageEvent.objects.get(pk=call.pk).cost_pico
    assert cost is not None
    event = book(call, cost_pico=cost + 1)
    assert broken() == {5: [f"event {event.pk}: cost {cost + 1}, should be {cost}"]}


def test_5_a_price_of_another_model(turn, call) -> None:
    event = book(call, price_id=ModelPrice.objects.get(model__alias="another").pk)
    assert broken() == {5: [f"event {event.pk}: price of another model"]}


@pytest.mark.django_db(transaction=True)
def test_5_unpriced_is_not_free(turn, call) -> None:
    with without(UsageEvent, "event_cost_with_price"):
        event = book(call, price_id=None, cost_pico=0)
        assert broken() == {5: [f"event {event.pk}: cost 0, should be None"]}
        erase(event)


def erase(event: UsageEvent) -> None:
    """Take an event back, so that its table can have its constraints again."""
    with connection.cursor() as cursor:
        place = event._meta.pk.get_db_prep_value(event.pk, connection)
        with changes_allowed():
            cursor.execute("DELETE FROM billing_usageevent WHERE id = %s", [place])


def test_5_a_correction_prices_the_buckets_of_its_call(call) -> None:
    unpriced = book(call, price_id=None, cost_pico=None)
    (priced,) = events_reprice(start=unpriced.created_at - dt.timedelta(seconds=1))
    assert priced.priced == 1
    assert broken() == {}
    correction = unpriced.corrections.get()
    other = book(call, price_id=None, cost_pico=None)
    wrong = copy_of(correction, corrects_id=other.pk, cost_pico=(correction.cost_pico or 0) + 1)
    with transaction.atomic():
        wrong.save()
        rollup_add([wrong])
    assert list(broken()) == [5]
    assert str(wrong.pk) in broken()[5][0]


def test_5_a_correction_that_forgets_an_earlier_one(call) -> None:
    event = UsageEvent.objects.get(pk=call.pk)
    assert event.price is not None
    rates = {name: getattr(event.price, name) for name in RATES}
    for factor in (2, 3):
        price_of_now = {"effective_from": event.price.effective_from, "source": "test"}
        ModelPrice.objects.create(
            model=event.model, **price_of_now, **{name: factor * rate for name, rate in rates.items()}
        )
        start = event.created_at - dt.timedelta(seconds=1)
        model_events_correct(model=event.model, start=start, reason="test", actor_id=None)
    assert broken() == {}
    second = event.corrections.get(corrections_before=1)
    wrong = copy_of(second, corrections_before=2)
    with transaction.atomic():
        wrong.save()
        rollup_add([wrong])
    assert list(broken()) == [5]
    assert f"correction {wrong.pk}: cost before" in broken()[5][0]


@pytest.mark.parametrize(
    "name",
    ["calls", "output_tokens", "cost_pico", "estimated_cost_pico", "corrected_cost_pico", "unpriced_calls"],
)
def test_6_a_sum_that_is_off(turn, call, name) -> None:
    DailyUsage.objects.filter(agent_id=call.agent_id).update(**{name: F(name) + 1})
    [line] = broken()[6]
    assert f"agent_id={call.agent_id}" in line


def test_6_a_row_too_few_and_one_on_another_day(turn) -> None:
    first, second = DailyUsage.objects.order_by("pk")
    first.delete()
    DailyUsage.objects.filter(pk=second.pk).update(day="2020-01-01")
    assert len(broken()[6]) == 3


@pytest.mark.parametrize("cut", ["total", "user", "agent", "model", "team+purpose", "week:room", "week:all"])
@pytest.mark.parametrize("broken", ["a sum", "a row too few", "a row too many"])
def test_6_totals_are_audited_too(turn, cut, broken) -> None:
    row = UsageTotal.objects.filter(cut=cut).order_by("pk").first()
    assert row is not None
    if broken == "a sum":
        UsageTotal.objects.filter(pk=row.pk).update(orchestration_cost_pico=F("orchestration_cost_pico") + 1)
    elif broken == "a row too few":
        row.delete()
    else:
        row.pk, row._state.adding = None, True
        row.day = dt.date(2020, 1, 6)
        row.save()
    [line] = broken_rows()
    assert f"cut={cut} day={row.day}" in line


def broken_rows() -> list[str]:
    """Return the breaches of invariant 6, where nothing else is broken."""
    found = broken()
    assert list(found) == [6]
    return found[6]


ANTHROPIC = {"input_tokens": 40, "cache_read_input_tokens": 50, "cache_creation_input_tokens": 9}


@pytest.mark.parametrize("raw", [{"prompt_tokens": 99}, ANTHROPIC], ids=["openai", "anthropic"])
def test_7_fewer_tokens_than_the_provider_reported(turn, call, raw) -> None:
    event = book(call, raw_usage=raw)
    assert broken() == {7: [f"event {event.pk}: 100 input tokens, 99 reported by the provider"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"raw_usage": {"prompt_tokens": 100}},
        {"raw_usage": {**ANTHROPIC, "input_tokens": 41}},
        {"raw_usage": {"output_tokens": 3}},
        {"raw_usage": {"prompt_tokens": 99}, "flags": ["input_mismatch"]},
        {
            "raw_usage": {"prompt_tokens": 0},
            "source": "none",
            "input_tokens": 0,
            "output_tokens": 0,
            "cost_pico": 0,
        },
        {"raw_usage": None},
    ],
)
def test_7_what_agrees_or_is_flagged_or_untold(turn, call, changes) -> None:
    book(call, **changes)
    assert broken() == {}


@pytest.mark.django_db(transaction=True)
def test_8_one_key_two_turns(turn, alice) -> None:
    Turn.objects.filter(pk=turn.pk).update(idempotency_key="again")
    with without(Turn, "turn_idempotency_key_once"):
        twin = copy_of(turn, index=2, idempotency_key="again", status="failed")
        twin.save()
        assert broken()[8] == [f"2 turns have user_id={alice.pk} idempotency_key=again"]
        twin.delete()


@pytest.mark.django_db(transaction=True)
def test_8_one_index_two_turns(turn) -> None:
    with without(Turn, "turn_index_once"):
        twin = copy_of(turn, status="failed")
        twin.save()
        assert broken()[8] == [f"2 turns have session_id={turn.session_id} index=1"]
        twin.delete()


def test_8_one_attempt_made_twice(turn, call) -> None:
    first, second = turn.calls.order_by("number")
    Call.objects.filter(pk=second.pk).update(step_id=first.step_id)
    assert broken() == {8: [f"2 calls have turn_id={turn.pk} step_id={first.step_id} attempt=1"]}
