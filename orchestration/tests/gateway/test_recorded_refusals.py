"""Refusals as servers send them, through the real SDKs: our code, the field, the figures, and our own sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.engine.specs import ChatMessage, ModelRequest
from orchestration.gateway.error_bodies import facts_of
from orchestration.gateway.gateway import Gateway
from orchestration.tests.gateway import ask, failed, request, spec
from orchestration.tests.providers import Answer, AnthropicServer, OpenAIServer

RECORDED = {
    path.stem: json.loads(path.read_text())
    for path in sorted((Path(__file__).parent.parent / "payloads" / "refusals").glob("*.json"))
}
CASES = [
    pytest.param(server, case, id=f"{server}-{case['name'].replace(' ', '_')}")
    for server, recorded in RECORDED.items()
    for case in recorded["cases"]
]
SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
SHORTEST_QUOTATION = 20


def full_request(kind: str, base_url: str, model_id: str, effort: str) -> ModelRequest:
    """Return a request with everything that a server may refuse."""
    messages = (ChatMessage("user", "[Bob (@bob)]: Yes."), ChatMessage("user", "What is a council?"))
    return request(
        spec(kind, base_url, model_id=model_id),
        messages=messages,
        temperature=0.5,
        json_schema=SCHEMA,
        reasoning_effort=effort,
    )


def answer_of(case: dict[str, Any]) -> Answer:
    body = json.dumps(case["body"]).encode()
    match case.get("placed"):
        case "event":
            return Answer(body=b"data: " + body + b"\n\n")
        case "body":
            return Answer(body=body, content_type="application/json")
    return Answer(status=case["status"], body=body)


@pytest.mark.parametrize(("server", "case"), CASES)
async def test_refusal(
    gateway: Gateway,
    openai_server: OpenAIServer,
    anthropic_server: AnthropicServer,
    server: str,
    case: dict[str, Any],
) -> None:
    wire = RECORDED[server]["wire"]
    provider = openai_server if wire == "openai" else anthropic_server
    provider.queue(answer_of(case))
    model_id = case.get("model_id", "test-model-1")

    asked = full_request(wire, provider.base_url, model_id, case.get("effort", ""))
    end = failed(await ask(gateway, asked))

    assert {
        "code": end.code,
        "field": end.without,
        "retryable": end.retryable,
        "message": end.message,
        "limit_tokens": end.limit_tokens,
        "requested_tokens": end.requested_tokens,
        "input_tokens": end.input_tokens,
    } == case["expect"]
    assert not end.may_have_cost
    assert end.report is None
    assert not [quoted for quoted in pieces_of(case["body"]) if quoted in end.message]


def pieces_of(body: Any) -> Iterator[str]:
    """Yield all pieces of a server's texts that are long enough to be a quotation."""
    for text in facts_of(body).texts:
        for at in range(len(text) - SHORTEST_QUOTATION + 1):
            yield text[at : at + SHORTEST_QUOTATION]


def test_the_refusals_are_there() -> None:
    assert len(RECORDED) >= 17
    assert len(CASES) >= 90
