"""Providers' documented payloads, and the results of parsing them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestration.engine.ports import Opened
from orchestration.engine.specs import Usage
from orchestration.gateway.gateway import Gateway
from orchestration.tests.gateway import ask, completed, reasoning_of, request, spec, text_of
from orchestration.tests.providers import Answer, AnthropicServer, OpenAIServer

PAYLOADS = {
    path.stem: json.loads(path.read_text())
    for path in sorted((Path(__file__).parent.parent / "payloads").glob("*.json"))
}


def body(wire: str, events: list[Any]) -> bytes:
    """Return the response's body; a string in place of an event is sent as a line, unchanged."""
    lines = []
    for event in events:
        if isinstance(event, str):
            lines.append(event)
        else:
            name = f"event: {event['type']}\n" if wire == "anthropic" else ""
            lines.append(f"{name}data: {json.dumps(event)}")
    return "".join(
        f"{line}\n\n" for line in [*lines, *(["data: [DONE]"] if wire == "openai" else [])]
    ).encode()


@pytest.mark.parametrize("name", PAYLOADS)
async def test_payload(
    gateway: Gateway, openai_server: OpenAIServer, anthropic_server: AnthropicServer, name: str
) -> None:
    payload = PAYLOADS[name]
    wire, expected = payload["wire"], payload["expect"]
    server = openai_server if wire == "openai" else anthropic_server
    server.queue(Answer(body=body(wire, payload["events"])))

    asked = spec(wire, server.base_url, model_id=expected["model_served"] or "test-model-1")
    events = await ask(gateway, request(asked))

    end = completed(events)
    assert {
        "text": text_of(events),
        "reasoning": reasoning_of(events),
        "finish_reason": end.finish_reason,
        "model_served": [event for event in events if isinstance(event, Opened)][-1].model_served,
        "source": end.report.source,
        "flags": list(end.report.flags),
        "provider_cost_usd": end.report.provider_cost_usd,
    } == {name: value for name, value in expected.items() if name != "usage"}
    assert end.report.usage == Usage(**expected["usage"])
    assert end.report.raw


def test_the_payloads_are_there() -> None:
    assert len(PAYLOADS) >= 12
