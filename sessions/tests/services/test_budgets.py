"""Hard budgets: reserved before anything is sent, drawn on by every call, settled with the turn."""

from __future__ import annotations

import uuid

import pytest
from django.utils import timezone

from accounts.tests.support.bodies import body_of
from billing.fields import usd_text
from billing.models import BudgetPeriod, Hold, HoldLine, ModelPrice, UsageEvent
from billing.services.budgets import budget_delete, budget_save
from orchestration.engine.specs import Usage
from orchestration.tests.providers import Answer, Gate
from orchestration.tests.providers import Hold as Held
from sessions.models import Message, Turn
from sessions.tests.factories import make_agent, make_model, make_session
from sessions.tests.support.budgeting import ask, budget, high, room, session
from sessions.tests.support.councils import ROUTE, SYNTHESIZE, council, decision, says
from sessions.tests.support.ledger import assert_ledger_matches, assert_nothing_to_audit

__all__ = ["room", "session"]

pytestmark = pytest.mark.django_db(transaction=True)


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
    body_of(final)
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
    body_of(api.get(f"turns/{first['id']}/events"))
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
    body_of(api.get(f"turns/{turn['id']}/events"))
    assert made.periods.get().held_pico == 0
    assert_nothing_to_audit()


def test_a_budget_deleted_in_mid_turn_leaves_nothing_open(api, session, openai_server) -> None:
    made = budget(10 * high(api, session))
    gate = Gate()
    openai_server.queue(Answer("Yes.", at={1: Held(gate)}))
    turn = ask(api, session, background=True).json()
    gate.wait_until_reached()
    budget_delete(budget=made)
    gate.open()
    body_of(api.get(f"turns/{turn['id']}/events"))
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
    body_of(api.get(f"turns/{turn['id']}/events"))
    assert made.periods.get().spent_pico == UsageEvent.objects.get().cost_pico
    assert_ledger_matches(openai_server)
