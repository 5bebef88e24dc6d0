"""Roundtable and orchestrator end to end: HTTP in, events and database out."""

from __future__ import annotations

import logging

import pytest

from billing.models import Budget, UsageEvent
from billing.services.budgets import budget_save
from billing.services.prices import Rates, price_add
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.models import Call, Message, Turn
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_model
from sessions.tests.support.councils import EVALUATE, ROUTE, SYNTHESIZE, council, decision, last_text, says
from sessions.tests.support.ledger import assert_ledger_matches
from sessions.tests.support.sse import read_all
from sessions.tests.support.waiting import wait_for_event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fast_retries(settings):
    settings.PANTHEON_PROVIDER_RETRY_BASE_S = 0.01


@pytest.fixture
def agents(alice, openai_model):
    return [make_agent(alice, key, openai_model) for key in ("ana", "bob", "cy")]


# --- Roundtable -------------------------------------------------------------------------------------------------------


def test_a_roundtable_answers_in_room_order_with_earlier_answers_as_context(
    api: Api, alice, agents, openai_server
) -> None:
    for key in ("ana", "bob", "cy"):
        openai_server.when(says(key), Answer(f"I am {key}."))
    turn = api.post(council(alice, agents, mode="roundtable"), {"message": "Who are you?"}).json()
    assert [message["agent_key"] for message in turn["messages"]] == ["ana", "bob", "cy"]
    assert turn["stop_reason"] is None
    heard = [last_text(served.body) for served in openai_server.served]
    assert "[Ana (@ana)]: I am ana." in heard[1]
    assert "[Bob (@bob)]: I am bob." in heard[2]
    assert "I am" not in heard[0]
    assert_ledger_matches(openai_server)


def test_a_price_raised_while_a_turn_runs_counts_for_its_later_calls(
    api: Api, alice, agents, openai_server
) -> None:
    session = council(alice, agents, mode="roundtable")
    budget_save(budget=Budget(scope="user", target_id=alice.pk, limit_pico=10**12))
    gate = Gate()
    openai_server.when(says("ana"), Answer("I am ana.", head_gate=gate))
    turn = api.post(session, {"message": "Go", "background": True}).json()
    gate.wait_until_reached()
    dear = Rates(input_pico=10**12, output_pico=10**12)
    price_add(model=agents[0].model, rates=dear, source="test")
    gate.open()
    read_all(api.get(f"turns/{turn['id']}/events"))
    assert len(openai_server.served) == 1
    turn = api.get(f"turns/{turn['id']}").json()
    assert (turn["status"], turn["error"]["code"]) == ("partial", "budget_exceeded")


def test_a_tagged_agent_goes_first(api, alice, agents) -> None:
    turn = api.post(council(alice, agents, mode="roundtable"), {"message": "@cy what now?"}).json()
    assert [message["agent_key"] for message in turn["messages"]] == ["cy", "ana", "bob"]


def test_one_that_fails_is_passed_over(api, alice, agents, openai_server) -> None:
    openai_server.when(says("bob"), Answer(status=401), always=True)
    turn = api.post(council(alice, agents, mode="roundtable"), {"message": "Go"}).json()
    assert (turn["status"], turn["error"]["code"]) == ("partial", "provider_error")
    assert [message["agent_key"] for message in turn["messages"]] == ["ana", "cy"]


# --- Orchestrator -----------------------------------------------------------------------------------------------------


def test_the_manager_routes_and_synthesizes(api, alice, agents, openai_server: OpenAIServer) -> None:
    openai_server.when(ROUTE, Answer(decision(("bob", "Find the risk."), ("cy", "Count it."))))
    openai_server.when(SYNTHESIZE, Answer("Together: go."))
    openai_server.when(says("bob"), Answer("Risk found."))
    openai_server.when(says("cy"), Answer("Counted."))
    response = api.post(council(alice, agents, mode="orchestrator"), {"message": "Shall we?"})
    turn = response.json()
    assert (turn["status"], turn["stop_reason"]) == ("completed", "max_rounds")
    assert [(m["agent_key"], m["purpose"], m["role"], m["text"]) for m in turn["messages"]] == [
        ("bob", "reply", "agent", "Risk found."),
        ("cy", "reply", "agent", "Counted."),
        (None, "synthesize", "manager", "Together: go."),
    ]
    assert turn["routing"] == [
        {
            "round": 1,
            "action": "route",
            "selections": [
                {"agent_key": "bob", "instruction": "Find the risk."},
                {"agent_key": "cy", "instruction": "Count it."},
            ],
            "reason": "because",
            "used_fallback": False,
            "fallback_reason": None,
        }
    ]
    first = turn["steps"][0]
    assert (first["purpose"], first["agent_key"], first["round"]) == ("route", None, 1)
    assert set(turn["usage"]["by_purpose"]) == {"route", "reply", "synthesize"}
    assert turn["usage"]["calls"] == 4
    asked = next(served for served in openai_server.served if says("bob") in str(served.body["messages"][0]))
    assert "Find the risk." in last_text(asked.body)
    assert "Count it." not in last_text(asked.body)
    route = openai_server.served[0].body
    assert route["response_format"]["json_schema"]["schema"]["properties"]["action"]["enum"] == [
        "route",
        "synthesize",
    ]
    assert_ledger_matches(openai_server)


def test_a_second_round_gets_the_first_as_context(api, alice, agents, openai_server) -> None:
    openai_server.when(ROUTE, Answer(decision(("ana", "Begin."))))
    openai_server.when(
        EVALUATE, Answer(decision(("bob", "Doubt it."))), Answer(decision(action="synthesize"))
    )
    openai_server.when(SYNTHESIZE, Answer("Done."))
    openai_server.when(says("ana"), Answer("I begin."))
    openai_server.when(says("bob"), Answer("I doubt."))
    turn = api.post(
        council(alice, agents, mode="orchestrator", max_rounds=3), {"message": "Shall we?"}
    ).json()
    assert turn["stop_reason"] == "manager_done"
    assert [step["round"] for step in turn["steps"] if step["purpose"] == "evaluate"] == [2, 3]
    doubt = next(s for s in openai_server.served if says("bob") in str(s.body["messages"][0]))
    assert "[Ana (@ana)]: I begin." in last_text(doubt.body)
    assert_ledger_matches(openai_server)


def test_the_events_have_the_routing_and_stream_the_synthesis_last(api, alice, agents, openai_server) -> None:
    openai_server.when(ROUTE, Answer(decision(("ana", ""), ("bob", ""))))
    openai_server.when(SYNTHESIZE, Answer(["To", "gether."]))
    path = council(alice, agents, mode="orchestrator")
    events = read_all(api.post(path, {"message": "Shall we?", "stream": True}))
    kinds = [event.type for event in events]
    assert kinds.index("routing.decided") == 1
    assert [event.data["purpose"] for event in events if event.type == "step.started"] == [
        "reply",
        "reply",
        "synthesize",
    ]
    last_step = [event for event in events if event.type == "step.completed"][-1]
    assert last_step.data["text"] == "Together."
    assert events[-1].data["stop_reason"] == "max_rounds"


@pytest.mark.parametrize(
    "answer",
    [
        Answer("I think Ana should do it."),
        Answer('{"action": "route", "selections": [{"agent_key": "nobody", "instruction": "x"}]}'),
        Answer('{"action": "route"'),
        Answer("[]"),
        Answer(status=401),
        Answer(" "),
    ],
    ids=["prose", "unknown agent", "half", "list", "401", "empty"],
)
def test_without_a_usable_decision_the_first_agent_answers(
    api, alice, agents, openai_server, answer, caplog
) -> None:
    openai_server.when(ROUTE, answer, always=True)
    openai_server.when(says("ana"), Answer("Ana answers."))
    with caplog.at_level(logging.WARNING, logger="orchestration.engine"):
        turn = api.post(council(alice, agents, mode="orchestrator"), {"message": "Shall we?"}).json()
    assert turn["status"] == "completed"
    assert [message["text"] for message in turn["messages"]] == ["Ana answers."]
    assert turn["routing"][0]["used_fallback"] is True
    assert "falling back" in caplog.text
    assert UsageEvent.objects.count() == len(openai_server.served) == Call.objects.count()


def test_tagged_agents_are_asked_first_without_a_routing_call(api, alice, agents, openai_server) -> None:
    openai_server.when(SYNTHESIZE, Answer("Together."))
    turn = api.post(
        council(alice, agents, mode="orchestrator"), {"message": "@cy and @bob, shall we?"}
    ).json()
    assert [step["purpose"] for step in turn["steps"]] == ["reply", "reply", "synthesize"]
    assert {step["agent_key"] for step in turn["steps"]} == {"cy", "bob", None}


def test_a_failed_synthesis_leaves_a_partial_turn(api, alice, agents, openai_server) -> None:
    openai_server.when(ROUTE, Answer(decision(("ana", ""), ("bob", ""))))
    openai_server.when(SYNTHESIZE, Answer(status=400), always=True)
    turn = api.post(council(alice, agents, mode="orchestrator"), {"message": "Shall we?"}).json()
    assert (turn["status"], turn["stop_reason"]) == ("partial", "max_rounds")
    assert [message["purpose"] for message in turn["messages"]] == ["reply", "reply"]


def test_the_other_agents_lines_are_never_published(api, alice, agents, openai_server) -> None:
    openai_server.when(
        says("ana"), Answer(["My view.\n\n", "Bo", "b: I agree with everything", "\nCy: me too"])
    )
    path = council(alice, agents, mode="roundtable")
    events = read_all(api.post(path, {"message": "Go", "stream": True}))
    text = Message.objects.get(agent_key="ana").text
    assert text == "My view.\n\n"
    assert not any("agree with everything" in event.data.get("text", "") for event in events)
    event = UsageEvent.objects.get(agent_key="ana")
    [served] = [served for served in openai_server.served if says("ana") in str(served.body)]
    assert (event.source, event.output_tokens) == ("provider", served.usage.output)


def test_specialists_of_a_round_run_side_by_side(api, alice, agents, openai_server) -> None:
    gates = {key: Gate() for key in ("ana", "bob", "cy")}
    openai_server.when(ROUTE, Answer(decision(*((key, "") for key in gates))))
    for key, gate in gates.items():
        openai_server.when(says(key), Answer("Answer.", head_gate=gate))
    path = council(alice, agents, mode="orchestrator")
    turn = api.post(path, {"message": "Go", "background": True}).json()
    for gate in gates.values():
        gate.wait_until_reached()
    for gate in gates.values():
        gate.open()
    assert read_all(api.get(f"turns/{turn['id']}/events"))[-1].type == "turn.completed"


@pytest.mark.parametrize("where", ["route", "reply", "synthesize"])
def test_a_cancel_takes_effect_wherever_the_turn_is(api, alice, agents, openai_server, where) -> None:
    gate = Gate()
    held = Answer(["A", "B"], at={1: Hold(gate)})
    openai_server.when(ROUTE, held if where == "route" else Answer(decision(("ana", ""), ("bob", ""))))
    openai_server.when(says("ana"), held if where == "reply" else Answer("Ana."))
    openai_server.when(SYNTHESIZE, held if where == "synthesize" else Answer("Together."))
    turn = api.post(council(alice, agents, mode="orchestrator"), {"message": "Go", "background": True}).json()
    gate.wait_until_reached()
    if where == "reply":
        wait_for_event(turn["id"], '"type":"step.completed"')  # Bob's call is over, and not about to be sent
    assert api.post(f"turns/{turn['id']}/cancel").status_code == 202
    read_all(api.get(f"turns/{turn['id']}/events"))
    turn = api.get(f"turns/{turn['id']}").json()
    assert (turn["status"], turn["stop_reason"]) == ("cancelled", "cancelled")
    assert UsageEvent.objects.filter(status="cancelled", source="estimated").exists()
    assert UsageEvent.objects.count() == len(openai_server.served)


def test_a_room_without_a_goal_has_no_manager(api, alice, agents) -> None:
    response = api.post(council(alice, agents, mode="orchestrator", goal=""), {"message": "Go"})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "room_goal_required")
    assert not Turn.objects.exists()


def test_the_manager_may_run_on_a_model_of_its_own(api, alice, agents, openai_server) -> None:
    manager = make_model(openai_server, "manager-model")
    openai_server.when(ROUTE, Answer(decision(("ana", ""), ("bob", ""))))
    api.post(council(alice, agents, mode="orchestrator", manager_model=manager), {"message": "Go"})
    by_purpose = dict(UsageEvent.objects.values_list("purpose", "model__alias"))
    assert (by_purpose["route"], by_purpose["synthesize"]) == ("manager-model", "manager-model")
    assert by_purpose["reply"] == "gpt-test"
