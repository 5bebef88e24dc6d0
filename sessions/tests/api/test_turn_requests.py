"""POST turns: waiting, background, idempotency, limits, errors."""

from __future__ import annotations

import asyncio

import pytest
from django.utils import timezone

from accounts.tests.support.bodies import body_of
from accounts.tests.support.clients import refused
from billing.models import UsageEvent
from orchestration.tests.providers import Answer, Gate, OpenAIServer, Silence
from sessions.api.events import wait_until_final
from sessions.api.open_streams import stream_counted
from sessions.models import Agent, Turn
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.sse import read_all

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def session(alice, openai_model):
    return make_session(alice, make_room(alice, make_agent(alice, "ana", openai_model)))


@pytest.fixture
def path(session) -> str:
    return f"sessions/{session.pk}/turns"


def test_background_answers_at_once(api, path, openai_server: OpenAIServer) -> None:
    gate = Gate()
    openai_server.default = Answer("Late.", head_gate=gate)
    response = api.post(path, {"message": "@ana hello", "background": True})
    assert response.status_code == 202
    assert response.json()["status"] in ("queued", "running")
    assert response["Location"] == f"/api/v1/turns/{response.json()['id']}"
    gate.open()
    assert read_all(api.get(f"turns/{response.json()['id']}/events"))[-1].type == "turn.completed"


def test_a_wait_that_takes_too_long_answers_202(api, path, openai_server, settings) -> None:
    settings.PANTHEON_WAIT_S = 0.2
    gate = Gate()
    openai_server.default = Answer("Late.", head_gate=gate)
    response = api.post(path, {"message": "@ana hello"})
    assert response.status_code == 202
    gate.open()


def test_turns_are_listed_newest_first(api, path) -> None:
    for number in range(3):
        assert api.post(path, {"message": f"@ana {number}"}).status_code == 201
    listed = api.get(path).json()
    assert [turn["index"] for turn in listed["results"]] == [3, 2, 1]
    assert listed["results"][0]["message"] == "@ana 2"
    page = api.get(f"{path}?limit=2").json()
    assert len(page["results"]) == 2
    rest = api.client.get(page["next"]).json()
    assert [turn["index"] for turn in rest["results"]] == [1]


def test_a_list_takes_as_many_queries_for_three_as_for_one(api, path, django_assert_max_num_queries) -> None:
    for number in range(3):
        api.post(path, {"message": f"@ana {number}"})
    with django_assert_max_num_queries(7):
        assert len(api.get(path).json()["results"]) == 3


def test_the_same_key_and_body_is_the_same_turn(api, path, openai_server) -> None:
    headers = {"Idempotency-Key": "k-1"}
    first = api.post(path, {"message": "@ana hello"}, headers=headers)
    again = api.post(path, {"message": "@ana hello"}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert len(openai_server.served) == 1
    other = api.post(path, {"message": "@ana other"}, headers=headers)
    assert other.status_code == 409
    assert other.json()["error"]["code"] == "idempotency_mismatch"
    streamed = api.post(path, {"message": "@ana hello", "stream": True}, headers={"Idempotency-Key": "k-2"})
    replayed = api.post(path, {"message": "@ana hello", "stream": True}, headers={"Idempotency-Key": "k-2"})
    assert read_all(streamed) == read_all(replayed)
    assert Turn.objects.count() == 2


def test_a_known_key_comes_before_all_that_may_be_refused(api, path) -> None:
    headers = {"Idempotency-Key": "k"}
    first = api.post(path, {"message": "@ana hello"}, headers=headers).json()
    for bad in ({}, {"message": ""}, {"message": "@ana hello", "mode": "none"}):
        assert api.post(path, bad, headers=headers).json()["error"]["code"] == "idempotency_mismatch"
    Agent.objects.update(deleted_at=timezone.now())
    again = api.post(path, {"message": "@ana hello"}, headers=headers)
    assert (again.status_code, again.json()["id"]) == (201, first["id"])


def test_while_it_runs_the_second_request_attaches(api, path, openai_server) -> None:
    gate = Gate()
    openai_server.default = Answer("Late.", head_gate=gate)
    headers = {"Idempotency-Key": "k"}
    body = {"message": "@ana hello", "background": True}
    first = api.post(path, body, headers=headers)
    again = api.post(path, body, headers=headers)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    gate.open()
    read_all(api.get(f"turns/{first.json()['id']}/events"))
    assert len(openai_server.served) == 1


def test_a_failed_turn_is_replayed_as_the_same_failure(api, path, openai_server) -> None:
    openai_server.default = Answer(status=401)
    headers = {"Idempotency-Key": "k"}
    first = api.post(path, {"message": "@ana hello"}, headers=headers)
    again = api.post(path, {"message": "@ana hello"}, headers=headers)
    assert (first.status_code, again.status_code) == (502, 502)
    assert first.json()["error"]["details"] == again.json()["error"]["details"]
    assert again["Idempotent-Replayed"] == "true"
    assert len(openai_server.served) == 1


def test_a_refused_request_frees_its_key(api, path) -> None:
    headers = {"Idempotency-Key": "k"}
    assert api.post(path, {"message": "nobody tagged"}, headers=headers).status_code == 422
    assert api.post(path, {"message": "@ana now"}, headers=headers).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\tkey"])
def test_an_invalid_key_is_refused(api, path, key) -> None:
    response = api.post(path, {"message": "@ana hello"}, headers={"Idempotency-Key": key})
    assert response.status_code == 422


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "message"),
        ({"message": ""}, "message"),
        ({"message": " \n "}, "message"),
        ({"message": "x" * 100_001}, "message"),
        ({"message": "@ana \x00"}, "message"),
        ({"message": "@ana \ud800"}, "message"),
        ({"message": ["@ana"]}, "message"),
        ({"message": "@ana", "index": 0}, "index"),
        ({"message": "@ana", "index": "one"}, "index"),
        ({"message": "@ana", "mode": "panel"}, "mode"),
        ({"message": "@ana", "mode": "summary"}, "mode"),
        ({"message": "@ana", "mode": "direct"}, "mode"),
        ({"message": "@ana", "max_rounds": 4}, "max_rounds"),
        ({"message": "@ana", "stream": True, "background": True}, "background"),
        ({"message": "@ana", "stream": "perhaps"}, "stream"),
    ],
)
def test_bad_fields_are_named(api, path, body, field) -> None:
    response = api.post(path, body)
    assert response.status_code == 422, response.content
    error = response.json()["error"]
    assert error["code"] == "validation_error"
    assert field in error["details"]["fields"]
    assert not Turn.objects.exists()


def test_conflicts(api, path, openai_server) -> None:
    gate = Gate()
    openai_server.default = Answer("Late.", head_gate=gate)
    api.post(path, {"message": "@ana one", "background": True, "index": 1})
    for index, code in ((1, "turn_conflict"), (2, "turn_in_progress"), (None, "turn_in_progress")):
        response = api.post(path, {"message": "@ana two", "index": index})
        assert (response.status_code, response.json()["error"]["code"]) == (409, code)
    gate.open()


def test_a_room_without_agents(api, alice) -> None:
    session = make_session(alice, make_room(alice))
    response = api.post(f"sessions/{session.pk}/turns", {"message": "@all hello"})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "no_room_agents")


def test_who_may_ask(api, stranger, anonymous, api_of, alice, path) -> None:
    body = {"message": "@ana hello"}
    assert anonymous.post(path, body).status_code == 401
    assert stranger.post(path, body).status_code == 404
    assert stranger.get(path).status_code == 404
    assert api_of(alice, "read").post(path, body).status_code == 403
    assert api_of(alice, "chat").get(path).status_code == 403
    assert api.post("sessions/none/turns", body).status_code == 404
    turn = api.post(path, body).json()
    for method, suffix in (("get", ""), ("post", "/cancel")):
        assert getattr(anonymous, method)(f"turns/{turn['id']}{suffix}").status_code == 401
        assert getattr(stranger, method)(f"turns/{turn['id']}{suffix}").status_code == 404
    assert api.delete(f"turns/{turn['id']}").json()["error"]["code"] == "method_not_allowed"


def test_turns_are_limited_and_a_refused_one_costs_nothing(api, path, settings, openai_server) -> None:
    settings.PANTHEON_TOKEN_TURNS_PER_MINUTE = 2
    for _ in range(2):
        assert api.post(path, {"message": "@ana hello"}).status_code == 201
    response = api.post(path, {"message": "@ana hello"})
    assert response.status_code == 429
    assert response.json()["error"]["code"] == "rate_limited"
    assert 1 <= int(response["Retry-After"]) <= 60
    assert UsageEvent.objects.count() == 2
    assert api.get(path).status_code == 200


def test_a_stream_beyond_the_limit_is_refused_before_its_turn_exists(
    api, alice, path, settings, openai_server
) -> None:
    settings.PANTHEON_STREAMS_PER_USER = 1
    headers = {"Idempotency-Key": "once"}
    first = api.post(path, {"message": "@ana hello", "stream": True}, headers=headers)
    assert b"turn.completed" in body_of(first)
    with stream_counted(alice.pk):
        refused(api.post(path, {"message": "@ana hello", "stream": True}), 429, "rate_limited")
        again = api.post(path, {"message": "@ana hello", "stream": True}, headers=headers)
        refused(again, 429, "rate_limited")
        assert Turn.objects.count() == len(openai_server.served) == 1
        assert api.post(path, {"message": "@ana hello"}).status_code == 201


def test_the_history_is_sent_to_the_model(api, path, openai_server) -> None:
    openai_server.queue(Answer("My name is Ana."))
    api.post(path, {"message": "@ana who are you?"})
    api.post(path, {"message": "@ana and again?"})
    messages = openai_server.served[1].body["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[2]["content"] == "My name is Ana."


@pytest.mark.parametrize("place", ["sessions", "rooms"])
def test_what_is_deleted_spends_nothing_more(api, session, path, openai_server, place) -> None:
    gate = Gate()
    openai_server.default = Answer("Late.", head_gate=gate)
    turn = Turn.objects.get(pk=api.post(path, {"message": "@ana hello", "background": True}).json()["id"])
    gate.wait_until_reached()
    assert api.delete(f"{place}/{session.pk if place == 'sessions' else session.room_id}").status_code == 204
    assert asyncio.run(wait_until_final(turn.pk, 10))
    turn.refresh_from_db()
    assert (turn.status, turn.stop_reason) == ("cancelled", "cancelled")
    gate.open()


def test_an_error_says_once_whether_the_same_may_succeed(api, path, openai_server, settings) -> None:
    settings.PANTHEON_PROVIDER_FIRST_TOKEN_TIMEOUT_S = 0.2
    openai_server.default = Answer(at={0: Silence()})
    error = api.post(path, {"message": "@ana hello"}).json()["error"]
    stored = api.get(f"turns/{error['details']['turn_id']}").json()["error"]
    assert (error["code"], error["retryable"]) == (stored["code"], stored["retryable"])
    assert error["code"] == "provider_timeout"
