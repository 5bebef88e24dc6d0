"""Holds that outlive the runner of their turn, or the period that they belong to."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.utils import timezone

from accounts.tests.support.bodies import body_of
from billing.models import Hold, UsageEvent
from billing.selectors.price_book import prices_now
from billing.services.budgets import budget_delete, budget_save
from orchestration.tests.providers import Answer, Gate
from orchestration.tests.providers import Hold as Held
from sessions.models import Call, Turn
from sessions.services.calls import call_cost
from sessions.services.leases import turn_claim
from sessions.services.turn_accept import turn_accept
from sessions.services.turn_request import TurnRequest
from sessions.tests.factories import make_agent, make_session, make_user
from sessions.tests.services.test_turn_commit import finish_call, start_call
from sessions.tests.support.budgeting import a_day_ago, ask, budget, estimate, high, pico, room, session
from sessions.tests.support.ledger import assert_ledger_matches, assert_nothing_to_audit

__all__ = ["room", "session"]

pytestmark = pytest.mark.django_db(transaction=True)


# --- Taken over -------------------------------------------------------------------------------------------------------


def test_a_resumed_turn_has_what_its_earlier_calls_left(alice, session, nobody_runs, api) -> None:
    made = budget(10 * high(api, session))
    turn = turn_accept(user=alice, session=session, request=TurnRequest(message="hello"))
    first = turn_claim(turn_id=turn.pk, runner_id=uuid.uuid4())
    assert first is not None
    assert first.funds is not None
    held = first.funds.left_pico
    finish_call(first, "ana", 1)
    Turn.objects.filter(pk=turn.pk).update(lease_expires_at=timezone.now() - dt.timedelta(seconds=1))
    second = turn_claim(turn_id=turn.pk, runner_id=uuid.uuid4())
    assert second is not None
    assert second.funds is not None
    assert held - second.funds.left_pico == 100 * 2_000_000 + 10 * 10_000_000
    assert made.periods.get().held_pico == held


def killed_in_mid_call(alice, session) -> tuple[Turn, int]:
    """Return a turn whose runner died while a model answered, and what it holds."""
    turn = turn_accept(user=alice, session=session, request=TurnRequest(message="hello"))
    claimed = turn_claim(turn_id=turn.pk, runner_id=uuid.uuid4())
    assert claimed is not None
    assert claimed.funds is not None
    start_call(claimed, "ana", 1)
    Turn.objects.filter(pk=turn.pk).update(lease_expires_at=timezone.now() - dt.timedelta(seconds=1))
    return turn, claimed.funds.left_pico


def claim_again(turn: Turn) -> int:
    """Take the turn over; return what its calls may cost by then."""
    claimed = turn_claim(turn_id=turn.pk, runner_id=uuid.uuid4())
    assert claimed is not None
    assert claimed.funds is not None
    return claimed.funds.left_pico


def lost_pico() -> int:
    call = Call.objects.get(status="interrupted")
    return call_cost(call, prices_now()) or 0


@pytest.mark.parametrize("more", ["plenty", "little", "nothing"])
def test_a_repeated_call_is_held_again_as_far_as_it_fits(alice, session, nobody_runs, api, more) -> None:
    needed = high(api, session)
    made = budget(needed + {"plenty": needed, "little": 5, "nothing": 0}[more])
    wide = budget(10 * needed, "user", target_id=alice.pk)
    turn, held = killed_in_mid_call(alice, session)
    assert held == needed
    left = claim_again(turn)
    lost = lost_pico()
    raised = {"plenty": lost, "little": 5, "nothing": 0}[more]
    assert lost > 5
    assert left == held + raised - lost
    assert Hold.objects.get().amount_pico == made.periods.get().held_pico == held + raised <= made.limit_pico
    assert wide.periods.get().held_pico == held + lost
    assert_nothing_to_audit()


def test_what_a_dead_runner_lost_twice_is_held_twice(alice, session, nobody_runs, api) -> None:
    made = budget(10 * high(api, session))
    turn, held = killed_in_mid_call(alice, session)
    second = turn_claim(turn_id=turn.pk, runner_id=uuid.uuid4())
    assert second is not None
    lost = lost_pico()
    start_call(second, "ana", 2)
    Turn.objects.filter(pk=turn.pk).update(lease_expires_at=timezone.now() - dt.timedelta(seconds=1))
    assert claim_again(turn) == held
    assert made.periods.get().held_pico == Hold.objects.get().amount_pico == held + 2 * lost


def test_a_soft_budget_and_a_deleted_one_bound_no_raise(alice, session, nobody_runs, api) -> None:
    needed = high(api, session)
    made, gone = budget(needed), budget(needed, "user", target_id=alice.pk)
    turn, held = killed_in_mid_call(alice, session)
    made.hard = False
    budget_save(budget=made)
    budget_delete(budget=gone)
    assert claim_again(turn) == held
    assert made.periods.get().held_pico == held + lost_pico()


def test_a_raise_is_bounded_by_the_period_in_which_the_calls_end(alice, session, nobody_runs, api) -> None:
    needed = high(api, session)
    made = budget(needed + 7, period="day")
    turn, held = killed_in_mid_call(alice, session)
    a_day_ago(made)
    left = claim_again(turn)
    assert left == held + 7 - lost_pico()
    yesterday, today = made.periods.order_by("start")
    assert (yesterday.held_pico, today.held_pico) == (held + 7, 0)
    assert estimate(api, session)["fits_budget"] is False
    assert_nothing_to_audit()


# --- From one period to the next --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [{}, {"applies": "each"}])
def test_what_the_last_period_still_holds_is_not_left_of_this_one(
    alice, session, openai_server, api, fields
) -> None:
    needed = high(api, session)
    made = budget(needed + needed // 2, period="day", **fields)
    gate = Gate()
    openai_server.queue(Answer("Yes.", at={1: Held(gate)}))
    turn = ask(api, session, background=True).json()
    gate.wait_until_reached()
    a_day_ago(made)
    other = make_session(alice, session.agent)
    assert estimate(api, other)["fits_budget"] is False
    [told] = api.get("budgets").json()["results"]
    assert (pico(told["held_usd"]), pico(told["available_usd"])) == (needed, needed // 2)
    refused = ask(api, other)
    assert refused.status_code == 402
    assert pico(refused.json()["error"]["details"]["available_usd"]) == needed // 2
    gate.open()
    body_of(api.get(f"turns/{turn['id']}/events"))
    yesterday, today = made.periods.order_by("start")
    assert (yesterday.spent_pico, yesterday.held_pico, today.held_pico) == (0, 0, 0)
    assert today.spent_pico == UsageEvent.objects.get().cost_pico
    assert estimate(api, other)["fits_budget"] is True
    assert ask(api, other).status_code == 201
    assert_ledger_matches(openai_server)


def test_what_somebody_else_still_holds_of_theirs_is_not_mine(alice, session, nobody_runs, api) -> None:
    needed = high(api, session)
    made = budget(needed, period="day", applies="each")
    turn_accept(user=alice, session=session, request=TurnRequest(message="hello"))
    a_day_ago(made)
    bob = make_user("rob")
    theirs = make_session(bob, make_agent(bob, "ana", session.agent.model))
    turn_accept(user=bob, session=theirs, request=TurnRequest(message="hello"))
    assert Hold.objects.count() == 2
    assert ask(api, make_session(alice, session.agent)).status_code == 402
