"""Reasoning effort, from agents and models to the provider's request, in every mode and on both wires."""

from __future__ import annotations

import json
from typing import Any

import pytest

from billing.models import UsageEvent
from orchestration.models import LlmModel
from orchestration.tests.providers import Answer, ProviderServer
from orchestration.tests.providers.anthropic_server import text_of
from sessions.models import Call, Turn
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.councils import EVALUATE, ROUTE, SYNTHESIZE, council, decision, last_text
from sessions.tests.support.ledger import assert_nothing_to_audit
from sessions.tests.support.server_process import until

pytestmark = pytest.mark.django_db(transaction=True)

WIRES = ["openai", "anthropic"]


@pytest.fixture(params=WIRES)
def wire(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(request: pytest.FixtureRequest, wire: str) -> ProviderServer:
    server: ProviderServer = request.getfixturevalue(f"{wire}_server")
    return server


@pytest.fixture
def model(request: pytest.FixtureRequest, wire: str) -> LlmModel:
    model: LlmModel = request.getfixturevalue(f"{wire}_model")
    return model


def effort_in(body: dict[str, Any]) -> str:
    """Return the effort of a request on either wire."""
    return str(body.get("reasoning_effort") or body.get("output_config", {}).get("effort") or "")


def system_of(body: dict[str, Any]) -> str:
    return text_of(body.get("system") or body["messages"][0]["content"])


def agent_efforts(server: ProviderServer) -> dict[str, str]:
    """Return the efforts of the agents' requests."""
    return {
        key: effort_in(served.body)
        for served in server.served
        for key in ("ana", "bob", "eve")
        if f"(@{key}), a member" in system_of(served.body)
    }


def manager_effort(server: ProviderServer, part: str) -> str:
    [body] = [served.body for served in server.served if part in last_text(served.body)]
    return effort_in(body)


@pytest.fixture
def agents(alice, model: LlmModel) -> list[Any]:
    LlmModel.objects.filter(pk=model.pk).update(reasoning_effort="low")
    efforts = {"ana": "high", "bob": "", "eve": "max"}
    return [make_agent(alice, key, model, reasoning_effort=effort) for key, effort in efforts.items()]


@pytest.mark.parametrize("mode", ["manual", "roundtable"])
def test_each_agent_thinks_as_much_as_it_shall(api: Api, alice, agents, server, mode: str) -> None:
    turn = api.post(council(alice, agents, mode=mode), {"message": "@all Shall we?"}).json()

    efforts = {"ana": "high", "bob": "low", "eve": "max"}
    assert turn["status"] == "completed"
    assert agent_efforts(server) == efforts
    assert {step["agent_key"]: step["reasoning_effort"] for step in turn["steps"]} == efforts


def test_managers_think_as_much_as_their_model_and_agents_as_they_shall(
    api: Api, alice, agents, server: ProviderServer
) -> None:
    server.when(ROUTE, Answer(decision(("ana", "Look."), ("eve", "Look, too."))))
    server.when(EVALUATE, Answer(decision(action="synthesize")))
    server.when(SYNTHESIZE, Answer("Together."))
    path = council(alice, agents, mode="orchestrator", max_rounds=2)
    turn = api.post(path, {"message": "Shall we?"}).json()

    assert turn["status"] == "completed"
    assert not any(routing["used_fallback"] for routing in turn["routing"])
    assert [manager_effort(server, part) for part in (ROUTE, EVALUATE, SYNTHESIZE)] == ["low"] * 3
    assert agent_efforts(server) == {"ana": "high", "eve": "max"}
    assert {step["reasoning_effort"] for step in turn["steps"] if step["agent_key"] is None} == {"low"}


def test_summarizers_think_as_much_as_their_model(api: Api, alice, agents, server: ProviderServer) -> None:
    session = make_session(alice, make_room(alice, *agents))
    api.post(f"sessions/{session.pk}/turns", {"message": "@ana Shall we?"})
    server.default = Answer(
        json.dumps(
            {"summary_text": "S.", "key_facts": [], "decisions": [], "open_questions": [], "action_items": []}
        )
    )
    answer = api.post(f"sessions/{session.pk}/summaries", {})

    assert answer.status_code == 201
    assert not answer.json()["used_fallback"]
    assert [effort_in(served.body) for served in server.served] == ["high", "low"]
    assert Call.objects.get(purpose="summarize").reasoning_effort == "low"


def test_the_nearest_effort_that_the_model_offers_is_sent(
    api: Api, alice, agents, model, server: ProviderServer
) -> None:
    LlmModel.objects.filter(pk=model.pk).update(reasoning_efforts=["low", "medium"])
    api.post(council(alice, agents), {"message": "@all Shall we?"})
    assert agent_efforts(server) == {"ana": "medium", "bob": "low", "eve": "medium"}


def test_a_turn_keeps_the_effort_that_it_was_accepted_with(api: Api, alice, agents, server) -> None:
    api.post(council(alice, agents), {"message": "@ana Shall we?"})
    roster = {agent["key"]: agent["reasoning_effort"] for agent in Turn.objects.get().snapshot["roster"]}
    assert roster == {"ana": "high", "bob": "", "eve": "max"}


REFUSALS = {
    "openai": {
        "message": "Unsupported value: 'max' is not supported with this model. Supported values are: 'low'.",
        "param": "reasoning_effort",
        "code": "unsupported_value",
    },
    "anthropic": {
        "type": "invalid_request_error",
        "message": "This model does not support effort level 'max'. Supported levels: high, low, medium.",
    },
}


def test_a_refused_effort_is_learnt_and_the_others_stay(
    api: Api, alice, agents, model, wire: str, server: ProviderServer
) -> None:
    refusal = Answer(status=400, body=json.dumps({"type": "error", "error": REFUSALS[wire]}).encode())
    server.when(lambda body: effort_in(body) == "max", refusal, always=True)
    path = council(alice, agents, mode="roundtable")

    turn = api.post(path, {"message": "Shall we?"}).json()

    assert turn["status"] == "completed"
    assert [effort_in(served.body) for served in server.served] == ["high", "low", "max", ""]
    assert [step["reasoning_effort"] for step in turn["steps"]] == ["high", "low", "max", None]
    refused = UsageEvent.objects.get(status="failed")
    assert (refused.source, refused.cost_pico) == ("none", 0)
    assert_nothing_to_audit()
    until(lambda: "reasoning_effort=max" in LlmModel.objects.get(pk=model.pk).unsupported)
    LlmModel.objects.filter(pk=model.pk).update(reasoning_efforts=["low", "high", "max"])
    api.post(path, {"message": "And now?"})
    assert [effort_in(served.body) for served in server.served[4:]] == ["high", "low", "high"]


def test_thinking_is_billed_as_output_within_the_limit(
    api: Api, alice, model, server: ProviderServer
) -> None:
    agent = make_agent(alice, "ana", model, reasoning_effort="max", max_output_tokens=1500)
    server.default = Answer("Yes.", reasoning=["Let me ", "think about ", "it."])
    session = make_session(alice, agent)
    turn = api.post(f"sessions/{session.pk}/turns", {"message": "Shall we?"}).json()

    [step] = turn["steps"]
    [served] = server.served
    assert step["context"]["output_bound"] == 1500
    assert step["usage"]["reasoning_tokens"] == served.usage.reasoning > 0
    assert step["usage"]["output_tokens"] == served.usage.output
    assert served.body["max_tokens"] == 1500
    assert "think" not in turn["messages"][0]["text"]


def test_a_limit_used_up_by_thinking_names_the_effort(api: Api, alice, model, server: ProviderServer) -> None:
    agent = make_agent(alice, "ana", model, reasoning_effort="max", max_output_tokens=1500)
    server.default = Answer([], reasoning=["Hm."], finish_reason="length")
    session = make_session(alice, agent)
    turn = api.post(f"sessions/{session.pk}/turns", {"message": "Shall we?"}).json()

    assert turn["error"]["code"] == "output_limit"
    assert turn["error"]["message"].endswith(
        "raise max output tokens of the agent @ana, or lower the reasoning effort."
    )
    assert len(server.served) == 1


def test_an_agent_without_an_effort_on_a_model_without_one_sends_none(
    api: Api, alice, model, server: ProviderServer
) -> None:
    session = make_session(alice, make_agent(alice, "ana", model))
    turn = api.post(f"sessions/{session.pk}/turns", {"message": "Shall we?"}).json()
    [served] = server.served
    assert not {"reasoning_effort", "thinking", "output_config"} & served.body.keys()
    assert turn["steps"][0]["reasoning_effort"] is None
