"""Requests to Anthropic's Messages API."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestration.engine.specs import ChatMessage
from orchestration.gateway.anthropic_messages import request_body
from orchestration.gateway.gateway import Gateway
from orchestration.tests.gateway import ask, completed, request, spec
from orchestration.tests.providers import AnthropicServer

SCHEMA: dict[str, object] = {"type": "object", "properties": {}, "additionalProperties": False}


async def test_the_request(gateway: Gateway, anthropic_server: AnthropicServer) -> None:
    asked = request(
        spec("anthropic", anthropic_server.base_url, prompt_caching=False),
        messages=(
            ChatMessage("user", "Hello"),
            ChatMessage("assistant", "Yes?"),
            ChatMessage("user", "Nothing."),
        ),
        temperature=0.3,
        json_schema=SCHEMA,
    )
    completed(await ask(gateway, asked))
    [served] = anthropic_server.served
    assert served.body == {
        "model": "test-model-1",
        "system": "You are a careful analyst.",
        "messages": [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Yes?"},
            {"role": "user", "content": "Nothing."},
        ],
        "max_tokens": 1000,
        "temperature": 0.3,
        "stream": True,
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
    }
    assert served.headers["anthropic-version"]


def test_what_a_model_cannot_take_is_not_sent() -> None:
    model = spec("anthropic", json_schema=False, temperature=False)
    body = request_body(request(model, temperature=0.3, json_schema=SCHEMA, system=""))
    assert set(body) == {"model", "messages", "max_tokens", "stream"}


def test_the_stable_beginning_is_marked_for_the_cache() -> None:
    asked = request(spec("anthropic"))
    lines = [ChatMessage("user", "a"), ChatMessage("assistant", "b"), ChatMessage("user", "c")]
    for count, marked in ((1, [0]), (3, [1, 2])):
        body = request_body(replace(asked, messages=tuple(lines[:count])))
        mark = {"cache_control": {"type": "ephemeral"}}
        assert body["system"] == [{"type": "text", "text": "You are a careful analyst.", **mark}]
        places = [
            place for place, each in enumerate(body["messages"]) if not isinstance(each["content"], str)
        ]
        assert places == marked
        assert body["messages"][-1]["content"] == [{"type": "text", "text": lines[count - 1].text, **mark}]


@pytest.mark.parametrize("switch", [{"prompt_caching": False}, {"unsupported": ("cache_control",)}])
def test_no_mark_where_caching_is_off(switch: dict[str, Any]) -> None:
    body = request_body(request(spec("anthropic", **switch)))
    assert "cache_control" not in str(body)
