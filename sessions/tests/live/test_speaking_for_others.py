"""Answers that name members survive; those that go on as another member are cut, which readers are told."""

from __future__ import annotations

import json

import pytest

from accounts.tests.support.admin_site import static_files_as_they_are
from orchestration.tests.providers import Answer, OpenAIServer
from sessions.models import Room
from sessions.tests.factories import make_agent
from sessions.tests.support.councils import council, says
from sessions.tests.support.ledger import assert_ledger_matches
from sessions.tests.support.pages import browser
from sessions.tests.support.sse import read_all

__all__ = ["static_files_as_they_are"]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous"),
]


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
    assert turn["steps"][0]["cut_text"] == "Analyst: 12 % of revenue.\n\nRisk: check the lease."
    assert [step["cut_text"] for step in turn["steps"][1:]] == [None, None]


def test_readers_learn_of_the_cut_while_the_turn_runs(api, alice, agents, openai_server) -> None:
    openai_server.when(says("ana"), Answer("I doubt it.\n\nAnalyst: 12 %."))
    body = {"message": "Shall we?", "stream": True}
    events = read_all(api.post(council(alice, agents, mode="roundtable"), body))
    completed = [event.data for event in events if event.type == "step.completed"]
    assert [event["cut_for"] for event in completed] == ["Analyst", None, None]


def test_what_was_cut_is_shown_on_request_and_not_given_to_others(api, alice, agents, openai_server) -> None:
    openai_server.when(says("ana"), Answer("I doubt it.\n\nAnalyst: <b>12 %</b> of revenue."))
    url = council(alice, agents, mode="roundtable")
    api.post(url, {"message": "Shall we?"})

    page = browser(alice).get(f"/{url.removesuffix('/turns')}").content.decode()

    assert "Cut: it began to answer for Analyst." in page
    assert "Show all" in page
    assert "Analyst: &lt;b&gt;12 %&lt;/b&gt; of revenue." in page
    assert not any("of revenue" in json.dumps(served.body) for served in openai_server.served)


@pytest.mark.parametrize("mode", ["roundtable", "manual"])
def test_a_room_can_switch_the_guard_off(api, alice, agents, openai_server, mode) -> None:
    text = "I doubt it.\n\nAnalyst: 12 % of revenue."
    openai_server.when(says("ana"), Answer(text))
    url = council(alice, agents, mode=mode)
    room = Room.objects.get()
    assert api.get(f"rooms/{room.pk}").json()["speaker_guard"] is True

    assert api.patch(f"rooms/{room.pk}", {"speaker_guard": False}).json()["speaker_guard"] is False
    turn = api.post(url, {"message": "@ana Shall we?"}).json()

    assert turn["messages"][0]["text"] == text
    assert turn["steps"][0]["cut_for"] is None
