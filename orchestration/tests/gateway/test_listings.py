"""Lists of models, as servers document them."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from orchestration.gateway.listings import ListedModel, NoList, listed_model, models_listed

ROWS: dict[str, tuple[dict[str, Any], ListedModel]] = {
    "OpenAI": ({"id": "gpt-6", "object": "model", "created": 1, "owned_by": "openai"}, ListedModel()),
    "Ollama": ({"id": "qwen3:8b", "object": "model", "created": 1, "owned_by": "library"}, ListedModel()),
    "OpenRouter": (
        {
            "id": "openai/gpt-oss-120b",
            "context_length": 131072,
            "architecture": {"modality": "text->text", "input_modalities": ["text"]},
            "top_provider": {
                "context_length": 131072,
                "max_completion_tokens": 32768,
                "is_moderated": False,
            },
            "supported_parameters": [
                *("max_tokens", "temperature", "reasoning", "response_format"),
                "structured_outputs",
            ],
            "reasoning": {
                "mandatory": True,
                "supported_efforts": ["high", "medium", "low"],
                "default_effort": "medium",
            },
        },
        ListedModel(131072, 32768, True, True, ("low", "medium", "high"), vision=False),
    ),
    "OpenRouter, a smaller window at the first server": (
        {
            "id": "deepseek/deepseek-v4",
            "context_length": 1048576,
            "top_provider": {"context_length": 163840, "max_completion_tokens": None},
            "architecture": {"input_modalities": ["text", "image", "file"]},
            "supported_parameters": ["max_tokens", "reasoning"],
            "reasoning": {"mandatory": False, "supported_efforts": ["xhigh", "high"]},
        },
        ListedModel(163840, None, False, False, ("none", "high", "xhigh"), vision=True),
    ),
    "Anthropic": (
        {
            "id": "claude-opus-5-5",
            "type": "model",
            "max_input_tokens": 1000000,
            "max_tokens": 128000,
            "capabilities": {
                "structured_outputs": {"supported": True},
                "image_input": {"supported": True},
                "effort": {
                    "supported": True,
                    "low": {"supported": True},
                    "medium": {"supported": True},
                    "high": {"supported": True},
                    "max": {"supported": False},
                },
            },
        },
        ListedModel(1000000, 128000, True, None, ("low", "medium", "high"), vision=True),
    ),
    "vLLM": (
        {"id": "Qwen/Qwen3-8B", "object": "model", "root": "Qwen/Qwen3-8B", "max_model_len": 40960},
        ListedModel(40960),
    ),
    "Mistral": (
        {
            "id": "mistral-large-latest",
            "capabilities": {"completion_chat": True, "function_calling": True, "vision": True},
            "max_context_length": 262144,
        },
        ListedModel(262144, vision=True),
    ),
    "Groq": (
        {"id": "llama-3.3-70b-versatile", "context_window": 131072, "max_completion_tokens": 32768},
        ListedModel(131072, 32768),
    ),
    "Kimi": (
        {"id": "kimi-k3", "context_length": 262144, "supports_reasoning": True},
        ListedModel(262144),
    ),
    "nonsense": (
        {
            "id": "x",
            "context_length": "large",
            "max_tokens": -1,
            "top_provider": 7,
            "reasoning": {"supported_efforts": [1, "extreme"]},
            "capabilities": [],
            "architecture": {"input_modalities": "image"},
            "supported_parameters": "all",
        },
        ListedModel(),
    ),
}


@pytest.mark.parametrize("server", ROWS)
def test_a_row(server: str) -> None:
    row, expected = ROWS[server]
    assert listed_model(row) == expected


@pytest.mark.parametrize("body", ["<html>", "[]", '{"data": 1}', '{"data": [1]}', '{"data": [{}]}'])
def test_what_is_no_list(body: str) -> None:
    with pytest.raises(NoList) as refused:
        models_listed(httpx2.Response(200, text=body))
    assert refused.value.is_page is (body == "<html>")
