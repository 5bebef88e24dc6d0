"""Requests to Anthropic's Messages API."""

from __future__ import annotations

from orchestration.engine.specs import ChatMessage
from orchestration.gateway.anthropic_messages import request_body
from orchestration.gateway.gateway import Gateway
from orchestration.tests.gateway import ask, completed, request, spec
from orchestration.tests.providers import AnthropicServer

SCHEMA: dict[str, object] = {"type": "object", "properties": {}, "additionalProperties": False}


async def test_the_request(gateway: Gateway, anthropic_server: AnthropicServer) -> None:
    asked = request(
        spec("anthropic", anthropic_server.base_url),
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
