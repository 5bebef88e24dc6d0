"""A turn end to end: HTTP in, answers and bill out."""

from __future__ import annotations

import pytest

from billing.models import DailyUsage, UsageEvent
from orchestration.tests.providers import Answer, OpenAIServer
from sessions.models import Call, Message, Turn
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_model, make_room, make_session

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def room(alice, openai_model):
    return make_room(alice, make_agent(alice, "ana", openai_model), make_agent(alice, "bob", openai_model))


@pytest.fixture
def session(alice, room):
    return make_session(alice, room)


def test_a_tagged_agent_answers(api: Api, session, openai_server: OpenAIServer) -> None:
    openai_server.queue(Answer("Good morning."))
    response = api.post(f"sessions/{session.pk}/turns", {"message": "@ana hello"})
    assert response.status_code == 201, response.content
    turn = response.json()
    assert response["Location"] == f"/api/v1/turns/{turn['id']}"
    assert (turn["index"], turn["mode"], turn["status"]) == (1, "manual", "completed")
    assert [(m["agent_key"], m["text"], m["seq"]) for m in turn["messages"]] == [("ana", "Good morning.", 2)]
    (served,) = openai_server.served
    (event,) = UsageEvent.objects.all()
    assert (event.input_tokens, event.output_tokens) == (served.usage.input, served.usage.output)
    assert event.cost_pico == served.usage.input * 2_000_000 + served.usage.output * 10_000_000
    assert str(event.turn_id) == turn["id"]
    assert event.provider_request_id == served.request_id
    call = Call.objects.get()
    assert call.pk == event.pk
    assert call.committed
    assert call.text == ""
    row = DailyUsage.objects.get()
    assert (row.calls, row.cost_pico) == (1, event.cost_pico)
    assert turn["usage"]["calls"] == 1
    assert turn["usage"]["unpriced_calls"] == 0


def test_several_tags_are_answered_in_parallel(api: Api, session, openai_server: OpenAIServer) -> None:
    openai_server.when("You are ana.", Answer("From Ana"))
    openai_server.when("You are bob.", Answer("From Bob"))
    turn = api.post(f"sessions/{session.pk}/turns", {"message": "@bob and @ana and @zed"}).json()
    assert [(m["agent_key"], m["text"]) for m in turn["messages"]] == [
        ("bob", "From Bob"),
        ("ana", "From Ana"),
    ]
    assert turn["unknown_tags"] == ["zed"]
    assert turn["usage"]["calls"] == 2
    assert Message.objects.filter(session=session).count() == 3


def test_without_a_tag_nothing_is_stored(api: Api, session) -> None:
    response = api.post(f"sessions/{session.pk}/turns", {"message": "hello @zed"})
    assert response.status_code == 422
    error = response.json()["error"]
    assert error["code"] == "no_valid_tagged_agents"
    assert error["details"] == {"agents": ["ana", "bob"], "unknown_tags": ["zed"]}
    assert not Turn.objects.exists()


def test_an_agent_alone_needs_no_tag(api: Api, alice) -> None:
    agent = make_agent(alice, "solo", make_model())
    session = make_session(alice, agent)
    turn = api.post(f"sessions/{session.pk}/turns", {"message": "hello"}).json()
    assert (turn["mode"], turn["status"]) == ("direct", "completed")
    assert "demo" in turn["messages"][0]["text"].lower()
