"""Requests that the OpenAI-compatible endpoint accepts and rejects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from accounts.tests.support.admin_site import static_files_as_they_are
from billing.models import Budget, HoldLine
from billing.services.budgets import budget_save
from orchestration.tests.providers import Answer, OpenAIServer
from sessions.api.open_streams import is_full, stream_counted
from sessions.api.openai_compatible.streaming import stream_chunks
from sessions.live.database import read_in_request
from sessions.models import ChatSession, Turn
from sessions.tests.factories import RATES, bearer
from sessions.tests.support.completions import PATH, agents, ask, chunks, client, content, refused, room

__all__ = ["agents", "client", "room", "static_files_as_they_are"]


pytestmark = pytest.mark.django_db(transaction=True)


WITHOUT_EFFECT: dict[str, Any] = {
    "n": 1,
    "top_p": 0.5,
    "presence_penalty": 1,
    "frequency_penalty": 1,
    "seed": 3,
    "user": "u",
    "metadata": {"a": "b"},
    "store": True,
    "top_k": 40,
    "reasoning_effort": "high",
    "verbosity": "low",
    "prompt_cache_key": "k",
    "safety_identifier": "s",
    "parallel_tool_calls": True,
    "stop": None,
    "tools": None,
    "tool_choice": "none",
    "functions": [],
    "logprobs": False,
    "logit_bias": {},
    "response_format": {"type": "text"},
    "service_tier": "auto",
    "modalities": ["text"],
}


@pytest.mark.parametrize(
    "fields", [{"tools": []}, {"stop": []}, {"tool_choice": "auto"}, {"top_logprobs": 0}]
)
def test_what_means_the_default_is_taken(client, agents, openai_server, fields) -> None:
    assert content(ask(client, "agent:ana", **fields))


def test_a_conversation_comes_back_as_the_openai_package_wrote_it(client, agents, openai_server) -> None:
    dumped: dict[str, Any] = {
        "role": "assistant",
        "content": "Good day.",
        "refusal": None,
        "annotations": [],
        "audio": None,
        "function_call": None,
        "tool_calls": [],
        "reasoning_content": "hm",
    }
    texts = [{"role": "user", "content": "Hi", "name": "bob"}, dumped, {"role": "user", "content": "Again"}]
    assert content(ask(client, "agent:ana", texts))
    assert [message["content"] for message in openai_server.served[0].body["messages"]][-3:] == [
        "Hi",
        "Good day.",
        "Again",
    ]


def test_what_has_no_effect_is_taken(client, agents, openai_server) -> None:
    assert content(ask(client, "agent:ana", **WITHOUT_EFFECT))
    assert not {"top_p", "seed", "presence_penalty"} & openai_server.served[0].body.keys()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"n": True}, "n"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"logprobs": True}, "logprobs"),
        ({"logprobs": 0}, "logprobs"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"stop": "x"}, "stop"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"colour": "red"}, "colour"),
        ({"\ud800": 1}, "?"),
        ({"messages": [{"role": "user", "content": "x", "\ud800": 1}]}, "messages"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"colour": True}}, "stream_options"),
        ({"stream_options": 1}, "stream_options"),
        ({"stream_options": {"include_usage": 1}}, "include_usage"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 2.5}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": [{"role": "user", "content": "x"}] * 2_001}, "messages"),
        ({"messages": ["Hello"]}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": "x", "tool_calls": [{}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}, "messages"),
    ],
)
def test_all_else_is_refused(client, agents, fields, param) -> None:
    body = {"model": "agent:ana", "messages": [{"role": "user", "content": "Hello?"}], **fields}
    response = client.post(PATH, json.dumps(body), content_type="application/json")
    error = refused(response, 400, "invalid_parameter", param)
    assert error["type"] == "invalid_request_error"
    assert not ChatSession.objects.exists()


@pytest.mark.parametrize("text", ["", " \n", "x" * 100_001, "nul \x00", "half \ud800"])
def test_texts_that_no_turn_takes(client, agents, text) -> None:
    body = {"model": "agent:ana", "messages": [{"role": "user", "content": text}]}
    response = client.post(PATH, json.dumps(body), content_type="application/json")
    refused(response, 422, "validation_error", "messages")


@pytest.mark.parametrize("body", ["", "{", "[]", "[1]", "nonsense"])
def test_bodies_that_are_no_request(client, body) -> None:
    response = client.post(PATH, body, content_type="application/json")
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_a_body_that_is_too_large(client) -> None:
    response = ask(client, "agent:ana", "x" * (1024 * 1024))
    refused(response, 413, "payload_too_large")


@pytest.mark.parametrize(
    "model", ["gpt-4o", "room:none", "agent:", "agent:nobody", "", "room:", "agent:\x00", "agent:\ud800"]
)
def test_a_model_that_is_none(client, agents, model) -> None:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello?"}]})
    refused(client.post(PATH, body, content_type="application/json"), 404, "not_found", "model")


def test_who_may_ask(client, bob, room, agents, alice) -> None:
    assert refused(ask(Client(), "agent:ana"), 401, "not_authenticated")["type"] == "authentication_error"
    refused(Client().get("/v1/models"), 401, "not_authenticated")
    stranger = Client(headers={"Authorization": bearer(bob)})
    refused(ask(stranger, f"room:{room.pk}"), 404, "not_found", "model")
    refused(ask(stranger, "agent:ana"), 404, "not_found", "model")
    reader = Client(headers={"Authorization": bearer(alice, "read")})
    assert reader.get("/v1/models").status_code == 200
    assert refused(ask(reader, "agent:ana"), 403, "permission_denied")["type"] == "permission_error"
    refused(client.get(PATH), 405, "method_not_allowed")
    refused(client.get("/v1/embeddings"), 404, "not_found")
    assert not ChatSession.objects.exists()


def test_it_counts_against_the_limits_of_turns(client, agents, settings, openai_server) -> None:
    settings.PANTHEON_TOKEN_TURNS_PER_MINUTE = 1
    assert ask(client, "agent:ana").status_code == 200
    response = ask(client, "agent:ana")
    assert refused(response, 429, "rate_limited")["type"] == "rate_limit_error"
    assert 1 <= int(response["Retry-After"]) <= 60
    assert len(openai_server.served) == 1


def test_a_stream_beyond_the_limit_is_refused_before_its_turn_exists(
    client, agents, alice, settings, openai_server
) -> None:
    settings.PANTHEON_STREAMS_PER_USER = 1
    headers = {"Idempotency-Key": "once"}
    assert chunks(ask(client, "agent:ana", stream=True, headers=headers))
    with stream_counted(alice.pk):
        refused(ask(client, "agent:ana", stream=True), 429, "rate_limited")
        refused(ask(client, "agent:ana", stream=True, headers=headers), 429, "rate_limited")
        assert len(openai_server.served) == 1
        assert ask(client, "agent:ana").status_code == 200


async def test_a_stream_counts_while_it_is_open(alice, client, agents, settings) -> None:
    settings.PANTHEON_STREAMS_PER_USER = 1
    await read_in_request(ask, client, "agent:ana")
    turn = await read_in_request(Turn.objects.select_related("session").get)
    stream = stream_chunks(turn, model="agent:ana", include_usage=False)
    await anext(stream)
    assert is_full(alice.pk)
    async for _ in stream:
        pass
    assert not is_full(alice.pk)


def test_a_budget_without_room_for_the_first_call(client, agents, openai_server) -> None:
    budget_save(budget=Budget(scope="everyone", limit_pico=1, period="day"))
    assert refused(ask(client, "agent:ana"), 402, "budget_exceeded")["type"] == "insufficient_quota"
    assert not openai_server.served
    assert not ChatSession.objects.exists()


def test_a_history_counts_in_the_bound(client, agents) -> None:
    """What a budget holds for a turn grows with what the client sends."""
    budget_save(budget=Budget(scope="everyone", limit_pico=10**15, period="day"))
    ask(client, "agent:ana", headers={"Idempotency-Key": "short"})
    said = [{"role": "user", "content": "word " * 5000}, {"role": "assistant", "content": "Yes."}]
    ask(client, "agent:ana", [*said, {"role": "user", "content": "Hello?"}])
    short, long = HoldLine.objects.order_by("hold__created_at")
    assert long.amount_pico > short.amount_pico + 5000 * RATES["input_pico"] // 2


def test_a_message_that_fits_no_window(client, agents) -> None:
    system = {"role": "system", "content": "word " * 60_000}
    response = ask(client, "agent:ana", [system, {"role": "user", "content": "Hello?"}])
    refused(response, 422, "context_overflow")


def test_nobody_answered_and_it_was_paid_for(client, agents, openai_server: OpenAIServer) -> None:
    openai_server.default = Answer(status=401)
    response = ask(client, "agent:ana")
    refused(response, 502, "provider_error")
    assert response["x-should-retry"] == "false"
    turn = Turn.objects.get()
    assert response["Location"] == f"/api/v1/turns/{turn.pk}"
    found = chunks(ask(client, "agent:ana", stream=True))
    assert found[-1]["error"]["code"] == "provider_error"
