"""Hard budgets: held before anything is sent, drawn on by every call, settled with the turn."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from billing.fields import usd_text, usd_to_pico
from billing.models import Budget, BudgetPeriod, Hold, HoldLine, ModelPrice, UsageEvent
from billing.services.budgets import budget_delete, budget_save
from orchestration.engine.specs import Usage
from orchestration.tests.providers import Answer, Gate
from orchestration.tests.providers import Hold as Held
from sessions.models import Call, Message, Turn
from sessions.services.calls import call_cost_now
from sessions.services.leases import turn_claim
from sessions.services.turn_accept import turn_accept
from sessions.services.turn_request import TurnRequest
from sessions.tests.councils import ROUTE, SYNTHESIZE, council, decision, says
from sessions.tests.factories import make_agent, make_model, make_room, make_session, make_user
from sessions.tests.ledger import assert_ledger_matches, assert_nothing_to_audit
from sessions.tests.test_turn_commit import finish_call, start_call

pytestmark = pytest.mark.django_db(transaction=True)


def budget(limit_pico: int, scope: str = "everyone", **fields: Any) -> Budget:
    return budget_save(budget=Budget(scope=scope, limit_pico=limit_pico, **fields))


def pico(usd: str) -> int:
    return usd_to_pico(Decimal(usd))


@pytest.fixture
def session(alice, openai_model):
    return make_session(alice, make_agent(alice, "ana", openai_model))


@pytest.fixture
def room(alice, openai_model):
    agents = [make_agent(alice, key, openai_model) for key in ("ana", "bob", "cy")]
    return make_session(alice, make_room(alice, *agents))


def estimate(api, session, message: str = "hello", **fields: Any) -> dict[str, Any]:
    response = api.post(f"sessions/{session.pk}/turns/estimate", {"message": message, **fields})
    assert response.status_code == 200, response.json()
    return response.json()


def high(api, session, message: str = "hello", **fields: Any) -> int:
    return pico(estimate(api, session, message, **fields)["high_usd"])


def ask(api, session, message: str = "hello", **fields: Any):
    return api.post(f"sessions/{session.pk}/turns", {"message": message, **fields})


# --- Accept -----------------------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_402_and_costs_nothing(api, session, openai_server) -> None:
    needed = high(api, session)
    made = budget(needed - 1, period="day")
    response = ask(api, session)
    assert response.status_code == 402
    error = response.json()["error"]
    assert (error["code"], error["retryable"]) == ("budget_exceeded", False)
    assert error["details"] == {
        "budget": {
            "id": str(made.pk),
            "scope": "everyone",
            "applies": "total",
            "period": "day",
            "limit_usd": usd_text(needed - 1),
        },
        "needed_usd": usd_text(needed),
        "available_usd": usd_text(needed - 1),
        "resets_at": error["details"]["resets_at"],
    }
    assert error["details"]["resets_at"] > timezone.now().isoformat()
    assert not Turn.objects.exists()
    assert not Message.objects.exists()
    assert not Hold.objects.exists()
    assert openai_server.served == []
    assert_nothing_to_audit()


def test_what_fits_is_held_and_settled(api, session, openai_server) -> None:
    needed = high(api, session)
    made = budget(needed)
    gate = Gate()
    openai_server.queue(Answer("Yes.", head_gate=gate))
    turn = ask(api, session, background=True).json()
    gate.wait_until_reached()
    period = made.periods.get()
    assert (period.spent_pico, period.held_pico) == (0, needed)
    assert Hold.objects.get().resolved_at is None
    gate.open()
    final = api.get(f"turns/{turn['id']}/events")
    b"".join(final)
    period.refresh_from_db()
    cost = UsageEvent.objects.get().cost_pico or 0
    assert (period.spent_pico, period.held_pico) == (cost, 0)
    assert Hold.objects.get().resolved_at is not None
    assert 0 < cost < needed
    assert_ledger_matches(openai_server)


def test_a_clash_comes_before_the_budget(api, session, openai_server) -> None:
    gate = Gate()
    openai_server.queue(Answer("Yes.", head_gate=gate))
    first = ask(api, session, background=True).json()
    gate.wait_until_reached()
    budget(0)
    assert ask(api, session).json()["error"]["code"] == "turn_in_progress"
    assert ask(api, session, index=7).json()["error"]["code"] == "turn_conflict"
    gate.open()
    b"".join(api.get(f"turns/{first['id']}/events"))
    assert ask(api, session).status_code == 402


def test_a_known_idempotency_key_is_answered_without_budget(api, session) -> None:
    key = {"headers": {"Idempotency-Key": "once"}}
    first = api.post(f"sessions/{session.pk}/turns", {"message": "hello"}, **key)
    budget(0)
    again = api.post(f"sessions/{session.pk}/turns", {"message": "hello"}, **key)
    assert (again.status_code, again.json()) == (201, first.json())


@pytest.mark.parametrize("scope", ["everyone", "user", "room"])
def test_every_scope_binds(api, alice, room, scope) -> None:
    target = {"user": alice.pk, "room": room.room_id}.get(scope)
    budget(1, scope, **({"target_id": target} if target else {}))
    response = ask(api, room, "@ana hello")
    assert response.status_code == 402
    assert response.json()["error"]["details"]["budget"]["scope"] == scope


def test_the_budgets_of_others_do_not(api, bob, session) -> None:
    budget(0, "user", target_id=bob.pk)
    budget(0, "room", target_id=uuid.uuid4())
    budget(0, "team", target_id=uuid.uuid4())
    budget(0, hard=False)
    assert ask(api, session).status_code == 201
    assert not Hold.objects.exists()


def test_of_several_the_tightest_decides(api, alice, session) -> None:
    needed = high(api, session)
    budget(100 * needed)
    tight = budget(needed - 1, "user", target_id=alice.pk)
    assert ask(api, session).json()["error"]["details"]["budget"]["id"] == str(tight.pk)


def test_a_users_own_budget_overrides_the_one_for_each(api, alice, session) -> None:
    budget(0, applies="each")
    assert ask(api, session).status_code == 402
    budget(10 * high(api, session), "user", target_id=alice.pk)
    assert ask(api, session).status_code == 201


def test_a_model_without_price_is_refused_under_a_hard_budget_alone(api, alice, openai_server) -> None:
    agent = make_agent(alice, "new", make_model(openai_server, "new-model", priced=False))
    session = make_session(alice, agent)
    soft = budget(0, hard=False)
    assert ask(api, session).status_code == 201
    soft.hard = True
    budget_save(budget=soft)
    response = ask(api, session)
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "model_unavailable"
    assert response.json()["error"]["details"]["model"] == "new-model"


def test_what_is_free_needs_no_budget(api, alice) -> None:
    demo = make_model(alias="free")
    ModelPrice.objects.create(
        model=demo,
        effective_from=timezone.now(),
        source="test",
        **dict.fromkeys(
            ("input_pico", "cache_read_pico", "cache_write_5m_pico", "cache_write_1h_pico", "output_pico"), 0
        ),
    )
    budget(0)
    assert ask(api, make_session(alice, make_agent(alice, "ana", demo))).status_code == 201
    assert not Hold.objects.exists()


def test_a_summary_is_held_like_any_other_turn(api, session, openai_server) -> None:
    ask(api, session)
    budget(0)
    response = api.post(f"sessions/{session.pk}/summaries", {})
    assert response.status_code == 402
    assert response.json()["error"]["code"] == "budget_exceeded"


# --- Inside the turn --------------------------------------------------------------------------------------------------


def test_the_turn_stops_when_the_next_call_does_not_fit(api, room, openai_server) -> None:
    one = high(api, room, "@ana hello")
    expensive = Usage(input=10, output=2000)  # nearly all that an answer may have
    openai_server.default = Answer("Yes.", usage=expensive)
    made = budget(one * 3 // 2)
    response = ask(api, room, mode="roundtable")
    turn = response.json()
    assert (response.status_code, turn["status"], turn["stop_reason"]) == (201, "partial", "budget")
    assert [message["agent_key"] for message in turn["messages"]] == ["ana"]
    assert turn["error"]["code"] == "budget_exceeded"
    period = made.periods.get()
    assert period.held_pico == 0
    assert period.spent_pico <= made.limit_pico
    assert_ledger_matches(openai_server)


def test_parallel_calls_draw_on_one_hold(api, room, openai_server) -> None:
    one = high(api, room, "@ana hello")
    openai_server.default = Answer("Yes.", usage=Usage(input=10, output=2000))
    made = budget(one * 2 + one // 2)
    turn = ask(api, room, "@all hello").json()
    assert (turn["status"], turn["stop_reason"], len(turn["messages"])) == ("partial", "budget", 2)
    assert made.periods.get().spent_pico <= made.limit_pico
    assert_ledger_matches(openai_server)


def test_an_orchestrated_turn_stops_with_what_it_has(api, alice, openai_model, openai_server) -> None:
    agents = [make_agent(alice, key, openai_model) for key in ("ana", "bob")]
    path = council(alice, agents, mode="orchestrator")
    session_id = path.split("/")[1]
    openai_server.when(
        ROUTE, Answer(decision(("ana", "Count."), ("bob", "Weigh.")), usage=Usage(input=9, output=9))
    )
    for key in ("ana", "bob"):
        openai_server.when(says(key), Answer(f"I am {key}.", usage=Usage(input=10, output=2000)))
    openai_server.when(SYNTHESIZE, Answer("Together."), always=True)
    made = budget(
        55_000_000_000
    )  # 5.5 cents: the routing and two answers, at two cents each, not the synthesis
    turn = api.post(path, {"message": "Shall we?"}).json()
    assert session_id == turn["session_id"]
    assert (turn["status"], turn["stop_reason"]) == ("partial", "budget")
    assert sorted(message["agent_key"] for message in turn["messages"]) == ["ana", "bob"]
    assert made.periods.get().held_pico == 0
    assert_ledger_matches(openai_server)


def test_a_call_above_its_bound_is_paid_all_the_same(api, session, openai_server) -> None:
    needed = high(api, session)
    made = budget(needed)
    openai_server.default = Answer("Yes.", usage=Usage(input=900_000, output=9_000))
    assert ask(api, session).status_code == 201
    period = made.periods.get()
    assert period.spent_pico == UsageEvent.objects.get().cost_pico
    assert period.spent_pico > made.limit_pico
    assert period.held_pico == 0
    response = ask(api, session)
    assert response.status_code == 402
    assert response.json()["error"]["details"]["available_usd"] == "0.00"
    assert_ledger_matches(openai_server)


def test_a_turn_on_which_nobody_answered_gives_its_hold_back(api, session, openai_server) -> None:
    made = budget(10 * high(api, session))
    openai_server.default = Answer(status=400)
    assert ask(api, session).status_code == 502
    period = made.periods.get()
    assert (period.spent_pico, period.held_pico) == (0, 0)
    assert_ledger_matches(openai_server)


def test_a_turn_cancelled_before_it_ran_gives_its_hold_back(api, session, nobody_runs) -> None:
    made = budget(10 * high(api, session))
    turn = ask(api, session, background=True).json()
    assert made.periods.get().held_pico > 0
    api.post(f"turns/{turn['id']}/cancel")
    from sessions.live.runtime import runtime

    runtime.submit(uuid.UUID(turn["id"]))
    b"".join(api.get(f"turns/{turn['id']}/events"))
    assert made.periods.get().held_pico == 0
    assert_nothing_to_audit()


def test_a_resumed_turn_has_what_its_earlier_calls_left(alice, session, nobody_runs, api) -> None:
    made = budget(10 * high(api, session))
    turn = turn_accept(user=alice, session=session, request=TurnRequest(message="hello")).turn
    first = turn_claim(turn_id=turn.pk, runner_id=uuid.uuid4())
    assert first is not None
    assert first.purse is not None
    held = first.purse.left_pico
    finish_call(first, "ana", 1)
    Turn.objects.filter(pk=turn.pk).update(lease_expires_at=timezone.now() - dt.timedelta(seconds=1))
    second = turn_claim(turn_id=turn.pk, runner_id=uuid.uuid4())
    assert second is not None
    assert second.purse is not None
    assert held - second.purse.left_pico == 100 * 2_000_000 + 10 * 10_000_000
    assert made.periods.get().held_pico == held


def killed_in_mid_call(alice, session) -> tuple[Turn, int]:
    """Return a turn whose runner died while a model answered, and what it holds."""
    turn = turn_accept(user=alice, session=session, request=TurnRequest(message="hello")).turn
    claimed = turn_claim(turn_id=turn.pk, runner_id=uuid.uuid4())
    assert claimed is not None
    assert claimed.purse is not None
    start_call(claimed, "ana", 1)
    Turn.objects.filter(pk=turn.pk).update(lease_expires_at=timezone.now() - dt.timedelta(seconds=1))
    return turn, claimed.purse.left_pico


def claim_again(turn: Turn) -> int:
    """Take the turn over; return what its calls may cost by then."""
    claimed = turn_claim(turn_id=turn.pk, runner_id=uuid.uuid4())
    assert claimed is not None
    assert claimed.purse is not None
    return claimed.purse.left_pico


def lost_pico() -> int:
    call = Call.objects.get(status="interrupted")
    return call_cost_now(call) or 0


@pytest.mark.parametrize("more", ["plenty", "little", "nothing"])
def test_a_call_that_is_made_again_is_held_again_as_far_as_it_fits(
    alice, session, nobody_runs, api, more
) -> None:
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


def a_day_ago(made: Budget) -> None:
    """Have it been yesterday that a budget was made and its turns were accepted."""
    day = dt.timedelta(days=1)
    Budget.objects.filter(pk=made.pk).update(counts_from=F("counts_from") - day)
    for period in made.periods.all():
        BudgetPeriod.objects.filter(pk=period.pk).update(start=period.start - day)
    Hold.objects.update(created_at=F("created_at") - day)


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
    b"".join(api.get(f"turns/{turn['id']}/events"))
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


def test_a_budget_deleted_in_mid_turn_leaves_nothing_open(api, session, openai_server) -> None:
    made = budget(10 * high(api, session))
    gate = Gate()
    openai_server.queue(Answer("Yes.", at={1: Held(gate)}))
    turn = ask(api, session, background=True).json()
    gate.wait_until_reached()
    budget_delete(budget=made)
    gate.open()
    b"".join(api.get(f"turns/{turn['id']}/events"))
    assert Hold.objects.get().resolved_at is not None
    assert not HoldLine.objects.exists()
    assert not BudgetPeriod.objects.exists()
    assert_ledger_matches(openai_server)


def test_a_budget_made_in_mid_turn_counts_it(api, session, openai_server) -> None:
    gate = Gate()
    openai_server.queue(Answer("Yes.", at={1: Held(gate)}))
    turn = ask(api, session, background=True).json()
    gate.wait_until_reached()
    made = budget(1)
    gate.open()
    b"".join(api.get(f"turns/{turn['id']}/events"))
    assert made.periods.get().spent_pico == UsageEvent.objects.get().cost_pico
    assert_ledger_matches(openai_server)


# --- Estimates --------------------------------------------------------------------------------------------------------


def test_an_estimate_stores_nothing_and_rises(api, room, openai_server) -> None:
    told = estimate(api, room, "@all hello")
    assert told["calls"] == 3
    assert 0 < pico(told["low_usd"]) <= pico(told["typical_usd"]) <= pico(told["high_usd"])
    assert told["fits_budget"] is True
    assert not Turn.objects.exists()
    assert openai_server.served == []


def test_an_estimate_says_whether_it_fits(api, session) -> None:
    needed = high(api, session)
    made = budget(needed - 1)
    assert estimate(api, session)["fits_budget"] is False
    made.limit_pico = needed
    budget_save(budget=made)
    assert estimate(api, session)["fits_budget"] is True


def test_an_unpriced_estimate_is_null_never_zero(api, alice, openai_server) -> None:
    session = make_session(alice, make_agent(alice, "new", make_model(openai_server, "new", priced=False)))
    told = estimate(api, session)
    assert told == {"calls": 1, "low_usd": None, "typical_usd": None, "high_usd": None, "fits_budget": True}
    budget(10**12)
    assert estimate(api, session)["fits_budget"] is False


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"message": ""}, 422, "validation_error"),
        ({}, 422, "validation_error"),
        ({"message": "nobody is tagged"}, 422, "no_valid_tagged_agents"),
        ({"message": "@ana " + "x" * 99_000 * 2}, 422, "validation_error"),
    ],
)
def test_what_cannot_be_asked_cannot_be_estimated(api, room, body, status, code) -> None:
    response = api.post(f"sessions/{room.pk}/turns/estimate", body)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_who_may_not_ask(api, stranger, anonymous, api_of, alice, session) -> None:
    path, body = f"sessions/{session.pk}/turns/estimate", {"message": "hello"}
    assert stranger.post(path, body).status_code == 404
    assert anonymous.post(path, body).status_code == 401
    assert api_of(alice, "read").post(path, body).status_code == 403
    assert api.post("sessions/nonsense/turns/estimate", body).status_code == 404
    assert api.get(path).status_code == 405
