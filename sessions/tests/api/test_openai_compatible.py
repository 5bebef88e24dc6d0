"""POST /v1/chat/completions and GET /v1/models: accepted and rejected requests, and a council's responses."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client

from accounts.tests.support.admin_site import static_files_as_they_are
from billing.fields import usd_text
from billing.models import UsageEvent
from orchestration.tests.providers import Answer, Gate, Hold
from sessions.events.eventlog import event_log
from sessions.models import ChatSession, Message, Room, Turn
from sessions.tests.factories import make_agent, make_room
from sessions.tests.support.completions import agents, ask, chunks, client, content, refused, room
from sessions.tests.support.councils import ROUTE, SYNTHESIZE, decision, last_text, says
from sessions.tests.support.ledger import assert_ledger_matches

__all__ = ["agents", "client", "room", "static_files_as_they_are"]


pytestmark = pytest.mark.django_db(transaction=True)


def text_of(found: list[dict[str, Any]], name: str = "content") -> str:
    deltas = [choice["delta"] for chunk in found for choice in chunk["choices"]]
    return "".join(delta.get(name, "") for delta in deltas)


def test_models_are_ones_rooms_and_agents(client, bob, room) -> None:
    make_agent(bob, "his")
    listed = client.get("/v1/models").json()
    assert listed["object"] == "list"
    assert {model["id"] for model in listed["data"]} == {room_model(room), "agent:ana", "agent:bob"}
    assert all(model["object"] == "model" and model["created"] > 0 for model in listed["data"])


def room_model(room: Room) -> str:
    return f"room:board-{room.pk.hex[:4]}"


def test_a_room_is_found_by_its_readable_name_also_after_a_renaming(client, bob, room, openai_server) -> None:
    name = room_model(room)
    assert client.get(f"/v1/models/{name}").json()["name"] == "Board"
    room.name = "取締役会"
    room.save()
    listed = client.get("/v1/models").json()["data"]
    assert f"room:room-{room.pk.hex[:4]}" in {model["id"] for model in listed}
    for model in (name, f"room:{room.pk}", "agent:ana"):
        body = client.get(f"/v1/models/{model}").json()
        assert (body["id"], body["object"]) == (model, "model")
        assert content(ask(client, model))
    his = make_room(bob)
    assert client.get(f"/v1/models/{room_model(his)}").status_code == 404


def test_rooms_whose_readable_names_are_the_same_are_listed_by_id(client, alice, room) -> None:
    twin = Room.objects.create(
        pk=uuid.UUID(hex=f"{room.pk.hex[:8]}{uuid.uuid4().hex[8:]}"), owner=alice, name=room.name
    )
    listed = {model["id"] for model in client.get("/v1/models").json()["data"]}
    assert {f"room:{room.pk}", f"room:{twin.pk}"} <= listed
    assert client.get(f"/v1/models/{room_model(room)}").status_code == 404


@pytest.mark.parametrize("path", ["responses", "completions", "embeddings", "models/"])
def test_an_unknown_address_names_those_that_exist(client, path) -> None:
    error = client.post(f"/v1/{path}", {}, content_type="application/json").json()["error"]
    assert (error["code"], "/v1/chat/completions" in error["message"]) == ("not_found", True)


def test_the_cost_is_in_the_usage(client, agents, openai_server) -> None:
    body = ask(client, "agent:ana").json()
    event = UsageEvent.objects.get()
    assert body["usage"]["cost"] == float(usd_text(event.cost_pico) or 0) > 0


def test_an_agent_answers_as_a_chat_completion(client, agents, openai_server) -> None:
    openai_server.queue(Answer("Good day."))
    response = ask(client, "agent:ana")
    body = response.json()
    turn = Turn.objects.get()
    assert response["Location"] == f"/api/v1/turns/{turn.pk}"
    assert (body["object"], body["model"], body["id"]) == (
        "chat.completion",
        "agent:ana",
        f"chatcmpl-{turn.pk}",
    )
    [choice] = body["choices"]
    assert (choice["message"], choice["finish_reason"]) == (
        {"role": "assistant", "content": "Good day."},
        "stop",
    )
    event = UsageEvent.objects.get()
    assert body["usage"]["prompt_tokens"] == event.usage.total_input
    assert body["usage"]["completion_tokens"] == event.usage.output
    assert body["usage"]["total_tokens"] == event.usage.total_input + event.usage.output


def test_the_history_is_sent_and_kept(client, agents, openai_server) -> None:
    ask(
        client,
        "agent:ana",
        [
            {"role": "system", "content": "Speak French."},
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": [{"type": "text", "text": "Un."}], "reasoning_content": "hm"},
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "And "}, {"type": "text", "text": "two?"}]},
        ],
        temperature=0.5,
        max_completion_tokens=77,
    )
    [call] = openai_server.served
    assert call.body["messages"] == [
        {"role": "system", "content": "You are ana.\n\nSpeak French.\n\nBe brief."},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "Un."},
        {"role": "user", "content": "And two?"},
    ]
    assert call.body["temperature"] == 0.5
    assert 77 in call.body.values()
    turn = Turn.objects.get()
    assert turn.snapshot["client"]["system"] == "Speak French.\n\nBe brief."
    assert turn.snapshot["client"]["history"] == [
        {"role": "user", "text": "One?"},
        {"role": "assistant", "text": "Un."},
    ]
    assert [message.text for message in turn.messages.filter(role=Message.Role.USER)] == ["And two?"]


def test_a_rerun_gets_the_same_context(client, api, agents, openai_server) -> None:
    history = [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "Un."}]
    ask(client, "agent:ana", [*history, {"role": "user", "content": "Two?"}], temperature=0.5)
    assert api.post(f"turns/{Turn.objects.get().pk}/rerun").status_code == 201
    first, again = openai_server.served
    assert first.body == again.body


def test_a_room_without_a_tag_asks_everybody(client, room, openai_server) -> None:
    for key in ("ana", "bob"):
        openai_server.when(says(key), Answer(f"I am {key}."))
    assert content(ask(client, f"room:{room.pk}")) == "**Ana**\n\nI am ana.\n\n**Bob**\n\nI am bob."
    assert content(ask(client, f"room:{room.pk}", "@bob you?")).startswith("**Bob**\n\n")
    assert Turn.objects.latest("created_at").snapshot["addressed"] == ["bob"]
    assert_ledger_matches(openai_server)


def test_what_a_room_answered_before_is_the_councils(client, room, openai_server) -> None:
    said = [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "**Ana**\n\nUn."}]
    ask(client, f"room:{room.pk}", [*said, {"role": "user", "content": "@ana two?"}])
    [call] = openai_server.served
    assert "[Board]: **Ana**\n\nUn." in last_text(call.body)


@pytest.mark.parametrize("stream", [False, True])
def test_a_led_room_answers_with_the_synthesis(client, alice, agents, openai_server, stream) -> None:
    council = make_room(alice, *agents, mode="orchestrator", goal="Decide well.")
    openai_server.when(ROUTE, Answer(decision(("ana", "Count."), ("bob", "Doubt."))), always=True)
    openai_server.when(SYNTHESIZE, Answer(["To", "gether."], reasoning=["weighing"]), always=True)
    for key in ("ana", "bob"):
        openai_server.when(says(key), Answer(f"I am {key}."), always=True)
    system = {"role": "system", "content": "Speak French."}
    messages = [system, {"role": "user", "content": "Shall we?"}]
    response = ask(client, f"room:{council.pk}", messages, stream=stream)
    if not stream:
        assert content(response) == "Together."
        assert response.json()["usage"]["total_tokens"] == sum(
            event.usage.total_input + event.usage.output for event in UsageEvent.objects.all()
        )
    else:
        found = chunks(response)
        assert text_of(found) == "Together."
        reasoning = text_of(found, "reasoning_content")
        for part in ("@ana (Count.)", "**Ana**\n\nI am ana.", "I am bob.", "weighing"):
            assert part in reasoning
    assert all("Speak French." in str(call.body["messages"][0]) for call in openai_server.served)
    assert_ledger_matches(openai_server)


def test_a_streamed_room_says_what_it_says_unstreamed(client, room, openai_server) -> None:
    """Bob is through before Ana begins: he waits for his turn, and nothing is said twice."""
    gate = Gate()
    openai_server.when(says("ana"), Answer(["I am ", "ana."], at={0: Hold(gate)}))
    openai_server.when(says("bob"), Answer(["\n", " I am bob."], reasoning=["hm"]))
    response = ask(client, f"room:{room.pk}", stream=True, stream_options={"include_usage": True})
    gate.wait_until_reached()
    gate.open()
    found = chunks(response)
    assert text_of(found) == "**Ana**\n\nI am ana.\n\n**Bob**\n\n\n I am bob."
    assert "hm" in text_of(found, "reasoning_content")
    assert found[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [chunk["usage"] for chunk in found[:-1]] == [None] * (len(found) - 1)
    assert found[-1]["choices"] == []
    assert found[-1]["usage"]["total_tokens"] == sum(
        event.usage.total_input + event.usage.output for event in UsageEvent.objects.all()
    )
    assert [choice["finish_reason"] for chunk in found for choice in chunk["choices"]][-1] == "stop"
    assert len({chunk["id"] for chunk in found}) == 1


def test_without_a_log_the_stream_still_has_all_text(client, agents, openai_server) -> None:
    headers = {"Idempotency-Key": "k"}
    first = chunks(ask(client, "agent:ana", stream=True, headers=headers))
    event_log.forget([Turn.objects.get().pk])
    again = ask(client, "agent:ana", stream=True, headers=headers)
    assert again["Idempotent-Replayed"] == "true"
    assert text_of(chunks(again)) == text_of(first) == "Hello from the test server."
    assert len(openai_server.served) == 1


def test_an_answer_that_reached_its_limit_says_so(client, agents, openai_server) -> None:
    openai_server.queue(Answer("Good", finish_reason="length"))
    assert ask(client, "agent:ana", max_tokens=1).json()["choices"][0]["finish_reason"] == "length"


def test_the_same_key_is_the_same_turn_and_another_body_is_refused(client, agents, openai_server) -> None:
    headers = {"Idempotency-Key": "k"}
    first = ask(client, "agent:ana", headers=headers)
    again = ask(client, "agent:ana", headers=headers)
    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
    other = ask(client, "agent:ana", "Else?", headers=headers)
    refused(other, 409, "idempotency_mismatch")
    assert other["x-should-retry"] == "false"
    refused(ask(client, "agent:ana", headers=headers, bogus=True), 409, "idempotency_mismatch")
    agents[0].key = "renamed"
    agents[0].save()
    assert ask(client, "agent:ana", headers=headers).json() == first.json()
    assert (len(openai_server.served), ChatSession.objects.count()) == (1, 1)


def test_lists_do_not_show_its_sessions(client, api, alice, room, agents) -> None:
    ask(client, f"room:{room.pk}", "Unlisted words")
    ask(client, "agent:ana", "Unlisted words")
    assert ChatSession.objects.filter(origin="api").count() == 2
    for place in (f"rooms/{room.pk}", f"agents/{agents[0].pk}"):
        assert api.get(f"{place}/sessions").json()["results"] == []
    browser = Client()
    browser.force_login(alice)
    for path in ("/", f"/rooms/{room.pk}", f"/agents/{agents[0].pk}"):
        page = browser.get(path, follow=True)
        assert page.status_code == 200
        assert b"Unlisted words" not in page.content
