"""Tests of the gateway, and their helpers for calling models."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from orchestration.engine.ports import Completed, Failed, ModelEvent, Models, ReasoningDelta, TextDelta
from orchestration.engine.purposes import Purpose
from orchestration.engine.specs import ChatMessage, ModelRequest, ModelSpec
from orchestration.gateway.streaming import GatewayConfig

KEY_ENV = "TEST_PROVIDER_API_KEY"
KEY = "sk-test-0123456789abcdef"
QUICK = GatewayConfig(
    connect_timeout_s=2,
    first_token_timeout_s=5,
    between_tokens_timeout_s=5,
    total_timeout_s=20,
    demo_words_per_s=0,
)
"""Limits that no test reaches by accident."""


def spec(kind: str = "openai", base_url: str = "", **fields: Any) -> ModelSpec:
    """Return a model of the provider `test`, whose key is in TEST_PROVIDER_API_KEY."""
    values: dict[str, Any] = {
        "id": "00000000-0000-0000-0000-000000000001",
        "alias": "test-model",
        "model_id": "test-model-1",
        "provider": "test",
        "kind": kind,
        "base_url": base_url,
        "base_url_env": "",
        "key_env": KEY_ENV,
        "context_window": 32_768,
        "max_output_tokens": 2048,
        "json_schema": True,
        "temperature": True,
    }
    return ModelSpec(**{**values, **fields})


def request(model: ModelSpec, text: str = "What is a council?", **fields: Any) -> ModelRequest:
    """Return a request with a system prompt and one message."""
    values: dict[str, Any] = {
        "system": "You are a careful analyst.",
        "messages": (ChatMessage("user", text),),
        "max_output_tokens": 1000,
        "purpose": Purpose.REPLY,
    }
    return ModelRequest(model=model, **{**values, **fields})


async def ask(models: Models, asked: ModelRequest) -> list[ModelEvent]:
    """Return all events of a call; only the last one is an end."""
    async with aclosing(models.stream(asked)) as stream:
        events = [event async for event in stream]
    assert one_end(events)
    return events


def one_end(events: list[ModelEvent]) -> bool:
    """Return whether the events end in exactly one Completed or Failed."""
    ends = [isinstance(event, (Completed, Failed)) for event in events]
    return sum(ends) == 1 and ends[-1]


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def reasoning_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, ReasoningDelta))


def completed(events: list[ModelEvent]) -> Completed:
    """Return the end of a call that must have succeeded."""
    assert isinstance(events[-1], Completed), events[-1]
    return events[-1]


def failed(events: list[ModelEvent]) -> Failed:
    """Return the end of a call that must have failed."""
    assert isinstance(events[-1], Failed), events[-1]
    return events[-1]
