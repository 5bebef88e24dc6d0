"""Thoughts inside an answer's text reach nobody as the answer: not readers, not models, not files."""

from __future__ import annotations

import json

import pytest

from accounts.tests.support.bodies import body_of
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.live.bridge import MOST_REWINDS
from sessions.models import Call
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.completions import ask, chunks, client, content
from sessions.tests.support.councils import ROUTE, SYNTHESIZE, council, decision, last_text, says
from sessions.tests.support.sse import Sse, read_all
from sessions.tests.support.waiting import wait_for_event

__all__ = ["client"]

pytestmark = pytest.mark.django_db(transaction=True)

SHAPES = {
    "both tags": ["<thi", "nk>Okay, marzipan or not...</thi", "nk>\n\nRent it."],
    "only the closing tag": ["Okay, marzipan or not...", "\n</thi", "nk>\n\nRent it."],
    "a thought in upper case": ["<THINKING>\nOkay, marzipan or not...\n</THINKING>\nRent it."],
    "two thoughts": ["<think>marz", "ipan</think>\nRent ", "\n<reasoning>marzipan</reasoning>", "it."],
}


@pytest.fixture
def agents(alice, openai_model):
    return [make_agent(alice, key, openai_model) for key in ("ana", "bob")]


@pytest.mark.parametrize("pieces", SHAPES.values(), ids=SHAPES)
def test_a_thought_is_in_no_prompt_transcript_file_or_search(
    api, alice, agents, openai_server, pieces
) -> None:
    openai_server.when(says("ana"), Answer(pieces), always=True)
    path = council(alice, agents, mode="roundtable")
    first = api.post(path, {"message": "Shall we?"}).json()
    api.post(path, {"message": "And now?"})

    assert first["messages"][0]["text"].split() == ["Rent", "it."]
    assert "marzipan" not in json.dumps([served.body for served in openai_server.served])
    session = path.split("/")[1]
    assert "marzipan" not in body_of(api.get(f"sessions/{session}/export")).decode()
    assert api.get("search?q=marzipan").json()["results"] == []


def test_the_manager_reads_answers_without_thoughts_and_thinks_itself(
    api, alice, agents, openai_server
) -> None:
    openai_server.when(ROUTE, Answer(decision(("ana", "Look."))))
    openai_server.when(says("ana"), Answer("<think>marzipan</think>A shop."))
    openai_server.when(SYNTHESIZE, Answer("marzipan</think>\nTogether."))
    room = council(alice, agents, mode="orchestrator", max_rounds=1)
    turn = api.post(room, {"message": "@ana @bob Shall we?"}).json()

    assert [message["text"] for message in turn["messages"]][::2] == ["A shop.", "Together."]
    assert "marzipan" not in last_text(openai_server.served[-1].body)


def text_of_events(events: list[Sse], step_id: str) -> tuple[str, str]:
    """Return the text that a reader ends up with, and the text of the step's end."""
    text = ""
    for event in events:
        if event.type == "turn.snapshot":
            text = next((s["text"] for s in event.data["turn"]["steps"] if s["step_id"] == step_id), "")
        elif event.type == "step.delta" and event.data["step_id"] == step_id and event.data["kind"] == "text":
            text += event.data["text"]
        elif event.type == "step.completed" and event.data["step_id"] == step_id:
            return text, event.data["text"]
    raise AssertionError("the step has no end")


@pytest.mark.parametrize("journal", ["database", "memory"])
def test_published_text_that_turns_out_to_be_a_thought_is_replaced(
    api, alice, agents, openai_server: OpenAIServer, settings, journal
) -> None:
    settings.PANTHEON_JOURNAL = journal
    gate = Gate()
    openai_server.when(
        says("ana"), Answer(["Okay, marzipan. ", "Hm.", "</think>\n\n", "Rent ", "it."], at={2: Hold(gate)})
    )
    session = make_session(alice, make_room(alice, *agents))
    turn = api.post(f"sessions/{session.pk}/turns", {"message": "@ana @bob Go", "background": True}).json()
    wait_for_event(turn["id"], "marzipan")
    gate.open()
    events = read_all(api.get(f"turns/{turn['id']}/events"))

    steps = {event.data["step_id"] for event in events if event.type == "step.completed"}
    assert len(steps) == 2
    for step_id in steps:
        assert len(set(text_of_events(events, step_id))) == 1
    thoughts = [e.data["text"] for e in events if e.type == "step.delta" and e.data["kind"] == "reasoning"]
    assert "".join(thoughts) == "Okay, marzipan. Hm."


def test_a_model_that_repeats_the_closing_tag_is_not_a_flood_of_snapshots(
    api, alice, agents, openai_server: OpenAIServer
) -> None:
    openai_server.when(says("ana"), Answer([*["a\n", "</think>\n"] * 15, "Rent ", "it."], delay_s=0.06))
    session = make_session(alice, make_room(alice, *agents))
    turn = api.post(f"sessions/{session.pk}/turns", {"message": "@ana Go", "background": True}).json()
    events = read_all(api.get(f"turns/{turn['id']}/events"))
    assert len([event for event in events if event.type == "turn.snapshot"]) <= MOST_REWINDS
    (step,) = [event.data["step_id"] for event in events if event.type == "step.completed"]
    shown, whole = text_of_events(events, step)
    assert shown == whole
    assert whole.split() == ["Rent", "it."]
    thoughts = [e.data["text"] for e in events if e.type == "step.delta" and e.data["kind"] == "reasoning"]
    assert "".join(thoughts).split() == ["a"] * 15


def test_a_model_that_opens_in_thought_is_known_the_next_time(api, alice, agents, openai_server) -> None:
    openai_server.when(says("ana"), Answer(["Okay, ", "marzipan.</think>\nRent it."]), always=True)
    session = make_session(alice, make_room(alice, *agents[:1]))
    for message in ("Shall we?", "And now?"):
        turn = api.post(f"sessions/{session.pk}/turns", {"message": f"@ana {message}"}).json()
    events = read_all(api.get(f"turns/{turn['id']}/events?after=0"))

    texts = [e.data["text"] for e in events if e.type == "step.delta" and e.data["kind"] == "text"]
    assert "".join(texts) == "Rent it."
    assert not [event for event in events if event.type == "turn.snapshot"]
    assert [call.context["opened_in_thought"] for call in Call.objects.order_by("started_at")] == [1, 1]


@pytest.mark.parametrize("pieces", SHAPES.values(), ids=SHAPES)
def test_a_completion_has_no_thoughts(alice, agents, openai_server, client, pieces) -> None:
    openai_server.when(says("ana"), Answer(pieces), always=True)
    room = make_room(alice, *agents, mode="roundtable")

    assert "marzipan" not in content(ask(client, f"room:{room.pk}"))


def streamed(response) -> tuple[str, str]:
    """Return the content and the reasoning of a streamed completion."""
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks(response)]
    names = ("content", "reasoning_content")
    said, thought = ("".join(delta.get(name) or "" for delta in deltas) for name in names)
    return said, thought


@pytest.mark.parametrize("mode", ["manual", "roundtable"])
def test_the_first_streamed_completion_has_no_thought_that_has_only_a_closing_tag(
    alice, agents, openai_server, client, mode
) -> None:
    answer = Answer(["Okay, marzipan. ", "Hm.", "</think>\n\n", "Rent ", "it."], delay_s=0.06)
    openai_server.when(says("ana"), answer, always=True)
    openai_server.when(says("bob"), Answer(["Do ", "not."]), always=True)
    room = make_room(alice, *agents, mode=mode)

    for _ in range(2):
        said, thought = streamed(ask(client, f"room:{room.pk}", stream=True))
        assert "marzipan" not in said
        assert said.split()[-2:] == ["Do", "not."]
        assert "Rent it." in said
        assert "Okay, marzipan. Hm." in thought
