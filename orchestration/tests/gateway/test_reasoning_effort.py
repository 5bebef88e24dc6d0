"""Reasoning effort on both wires: how it is sent, left out, and reported."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestration.engine.efforts import EFFORTS
from orchestration.engine.ports import Opened
from orchestration.engine.specs import ModelSpec
from orchestration.gateway.anthropic_messages import request_body as anthropic_body
from orchestration.gateway.gateway import Gateway
from orchestration.gateway.openai_chat import request_body as openai_body
from orchestration.tests.gateway import QUICK, ask, completed, failed, request, spec, text_of
from orchestration.tests.gateway.support.wires import kind, model, server
from orchestration.tests.providers import Answer, ProviderServer

__all__ = ["kind", "model", "server"]

SCHEMA: dict[str, object] = {"type": "object", "properties": {}, "additionalProperties": False}
ADAPTIVE = {"type": "adaptive", "display": "summarized"}


def messages(effort: str, model_id: str = "claude-opus-5-5", **fields: Any) -> dict[str, Any]:
    unsupported = fields.pop("unsupported", ())
    asked = spec("anthropic", model_id=model_id, unsupported=unsupported)
    return anthropic_body(request(asked, reasoning_effort=effort, **fields))


@pytest.mark.parametrize("effort", EFFORTS)
def test_chat_completions_have_it_as_it_is(effort: str) -> None:
    assert openai_body(request(spec(), reasoning_effort=effort), "")["reasoning_effort"] == effort


@pytest.mark.parametrize(
    ("effort", "level"),
    [
        ("minimal", "low"),
        ("low", "low"),
        ("medium", "medium"),
        ("high", "high"),
        ("xhigh", "xhigh"),
        ("max", "max"),
    ],
)
def test_messages_have_it_as_effort_and_adaptive_thinking(effort: str, level: str) -> None:
    body = messages(effort)
    assert (body["thinking"], body["output_config"]) == (ADAPTIVE, {"effort": level})


@pytest.mark.parametrize(
    ("model_id", "kind"), [("claude-haiku-5-5", "disabled"), ("claude-sonnet-5-5", "between_tools")]
)
def test_no_effort_switches_thinking_off(model_id: str, kind: str) -> None:
    body = messages("none", model_id, temperature=0.5)
    assert body["thinking"] == {"type": kind}
    assert "output_config" not in body
    assert body["temperature"] == 0.5


@pytest.mark.parametrize(
    ("effort", "max_tokens", "budget"),
    [("minimal", 2000, 1024), ("medium", 8000, 4000), ("max", 8000, 7200), ("high", 1024, None)],
)
@pytest.mark.parametrize(
    "model_id", ["claude-haiku-4-5", "claude-sonnet-4-5-20250929", "claude-opus-4-20250514"]
)
def test_older_models_get_a_budget_within_the_output_limit(
    model_id: str, effort: str, max_tokens: int, budget: int | None
) -> None:
    body = messages(effort, model_id, max_output_tokens=max_tokens)
    assert "output_config" not in body
    assert body.get("thinking", {}).get("budget_tokens") == budget


def test_newer_models_get_no_budget() -> None:
    for model_id in ("claude-opus-4-6", "claude-sonnet-4-8", "claude-haiku-5-5", "claude-sonnet-4-55"):
        assert messages("high", model_id)["thinking"] == ADAPTIVE


def test_a_model_that_thinks_gets_no_temperature() -> None:
    assert "temperature" not in messages("high", temperature=0.5)
    assert messages("high", unsupported=("thinking",), temperature=0.5)["temperature"] == 0.5
    assert messages("", temperature=0.5)["temperature"] == 0.5


def test_schema_and_effort_share_a_field_and_are_left_out_apart() -> None:
    form = {"format": {"type": "json_schema", "schema": SCHEMA}}
    both = messages("high", json_schema=SCHEMA)
    assert both["output_config"] == {"effort": "high"} | form
    no_schema = messages("high", json_schema=SCHEMA, unsupported=("output_config",))
    assert no_schema["output_config"] == {"effort": "high"}
    no_effort = messages("high", json_schema=SCHEMA, unsupported=("reasoning_effort",))
    assert no_effort["output_config"] == form
    assert "thinking" not in no_effort


@pytest.mark.parametrize(
    ("unsupported", "effort"),
    [("reasoning_effort", ""), ("reasoning_effort=high", ""), ("reasoning_effort=low", "high")],
)
def test_a_refused_effort_is_left_out(unsupported: str, effort: str) -> None:
    body = openai_body(request(spec(unsupported=(unsupported,)), reasoning_effort="high"), "")
    assert body.get("reasoning_effort", "") == effort


def efforts_in(body: dict[str, Any]) -> str:
    return str(body.get("reasoning_effort") or body.get("output_config", {}).get("effort") or "")


def test_a_plain_request_has_no_effort() -> None:
    assert not {"reasoning_effort"} & openai_body(request(spec()), "").keys()
    assert not {"thinking", "output_config"} & anthropic_body(request(spec("anthropic"))).keys()


async def test_one_refused_effort_leaves_the_others(
    server: ProviderServer, kind: str, model: ModelSpec
) -> None:
    learnt: list[tuple[str, str]] = []
    gateway = Gateway(QUICK, on_unsupported=lambda _, field, reason: learnt.append((field, reason)))
    error = {"message": "output_config.effort: reasoning_effort: Input should be 'low' or 'medium'"}
    server.queue(
        Answer(status=400, body=json.dumps({"error": error}).encode()), Answer("One."), Answer("Two.")
    )
    high, low = (request(model, reasoning_effort=effort) for effort in ("high", "low"))

    assert failed(await ask(gateway, high)).without == "reasoning_effort=high"
    events = await ask(gateway, high)
    assert text_of(events) == "One."
    assert [event.reasoning_effort for event in events if isinstance(event, Opened)][-1] == ""
    events = await ask(gateway, low)
    assert [event.reasoning_effort for event in events if isinstance(event, Opened)][-1] == "low"
    await gateway.aclose()

    assert learnt == [("reasoning_effort=high", "HTTP 400")]
    assert [efforts_in(served.body) for served in server.served] == ["high", "", "low"]


async def test_reasoning_is_billed_within_the_output_limit(
    gateway: Gateway, server: ProviderServer, model: ModelSpec
) -> None:
    server.queue(Answer(["Yes."], reasoning=["Let me ", "think."]))
    end = completed(await ask(gateway, request(model, reasoning_effort="high", max_output_tokens=2000)))
    [served] = server.wait_served(1)
    assert end.report.usage == served.usage
    assert 0 < end.report.usage.reasoning < end.report.usage.output
    assert served.body["max_tokens"] == 2000
