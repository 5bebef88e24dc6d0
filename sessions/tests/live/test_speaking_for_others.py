"""Answers that name members survive; those that go on as another member are cut, which readers are told."""

from __future__ import annotations

import pytest

from orchestration.tests.providers import Answer, OpenAIServer
from sessions.tests.factories import make_agent
from sessions.tests.support.councils import council, says
from sessions.tests.support.ledger import assert_ledger_matches

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agents(alice, openai_model):
    return [make_agent(alice, key, openai_model) for key in ("ana", "analyst", "risk")]


@pytest.mark.parametrize(
    "text",
    [
        "Three views.\n\n**Analyst:** 12 % of revenue.\n\n**Risk:** check the lease.",
        "Analyst: you said 12 %, and I agree. Still, check the lease.",
        "What to watch.\n\n### Risk: high\n\nThe roof leaks.",
        "As was said:\n\n> Analyst: 12 % of revenue\n\nI doubt that.",
    ],
)
def test_a_recap_or_quotation_survives(api, alice, agents, openai_server: OpenAIServer, text) -> None:
    openai_server.when(says("ana"), Answer(text))
    turn = api.post(council(alice, agents, mode="roundtable"), {"message": "Shall we?"}).json()

    assert turn["messages"][0]["text"] == text
    assert [step["cut_for"] for step in turn["steps"]] == [None, None, None]
    assert_ledger_matches(openai_server)


def test_a_continuation_is_cut_and_billed_as_the_provider_counts(api, alice, agents, openai_server) -> None:
    openai_server.when(
        says("ana"), Answer("I doubt it.\n\nAnalyst: 12 % of revenue.\n\nRisk: check the lease.")
    )
    turn = api.post(council(alice, agents, mode="roundtable"), {"message": "Shall we?"}).json()

    assert (turn["status"], turn["messages"][0]["text"]) == ("completed", "I doubt it.\n\n")
    assert [step["cut_for"] for step in turn["steps"]] == ["Analyst", None, None]
    assert_ledger_matches(openai_server)
