"""The JSON of managers and summarizers is found in what models write around it; a fallback has its cause."""

from __future__ import annotations

import pytest

from orchestration.tests.providers import Answer, OpenAIServer
from sessions.tests.factories import make_agent
from sessions.tests.support.councils import ROUTE, council, decision, last_text, says

pytestmark = pytest.mark.django_db(transaction=True)

DECISION = decision(("bob", "Look at the roof."))


@pytest.fixture
def agents(alice, openai_model):
    return [make_agent(alice, key, openai_model) for key in ("ana", "bob")]


@pytest.mark.parametrize(
    "text",
    [
        f'<think>maybe {{"a":1}}</think>{DECISION}',
        f"The roof matters.</think>\n\n{DECISION}",
        f"Here is my decision:\n{DECISION}\nShall I go on?",
        f"{decision(action='synthesize')}\n{DECISION}",
    ],
)
def test_the_decision_is_found(api, alice, agents, openai_server: OpenAIServer, text) -> None:
    openai_server.when(ROUTE, Answer([text]))
    openai_server.when(says("bob"), Answer("It leaks."))
    turn = api.post(council(alice, agents, mode="orchestrator"), {"message": "Shall we?"}).json()

    assert [message["text"] for message in turn["messages"]] == ["It leaks."]
    assert (turn["routing"][0]["used_fallback"], turn["routing"][0]["fallback_reason"]) == (False, None)
    assert "Look at the roof." in last_text(openai_server.served[1].body)
    assert [step["fallback_reason"] for step in turn["steps"]] == [None, None]


def test_a_fallback_has_its_cause_in_decision_and_steps(api, alice, agents, openai_server) -> None:
    openai_server.when(ROUTE, Answer("Ask Bob!"), Answer("Bob!"))
    turn = api.post(council(alice, agents, mode="orchestrator"), {"message": "Shall we?"}).json()

    (routing,) = turn["routing"]
    assert (routing["used_fallback"], routing["fallback_reason"]) == (True, "not_json")
    assert [step["fallback_reason"] for step in turn["steps"]] == ["not_json", "not_json", None]


def test_a_limit_used_up_by_thinking_is_not_tried_again(api, alice, agents, openai_server, settings) -> None:
    settings.PANTHEON_MANAGER_MAX_TOKENS = 500
    openai_server.when(ROUTE, Answer([], reasoning=["Hmm"], finish_reason="length"))
    turn = api.post(council(alice, agents, mode="orchestrator"), {"message": "Shall we?"}).json()

    assert [(step["purpose"], step["status"]) for step in turn["steps"]] == [
        ("route", "failed"),
        ("reply", "ok"),
    ]
    assert turn["steps"][0]["error"]["code"] == "output_limit"
    assert "raise PANTHEON_MANAGER_MAX_TOKENS" in turn["routing"][0]["reason"]
