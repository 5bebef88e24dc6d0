"""Where usage stands in an answer, several figures for one answer, and flags for other prices."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestration.engine.specs import Usage, UsageReport
from orchestration.gateway.gateway import Gateway
from orchestration.gateway.served_models import is_requested_model, is_same_model
from orchestration.gateway.streaming import GatewayConfig
from orchestration.tests.gateway import ask, completed, failed, reasoning_of, request, spec, text_of
from orchestration.tests.gateway.support.wires import kind, model, server
from orchestration.tests.providers import Answer, AnthropicServer, OpenAIServer, Silence

__all__ = ["kind", "model", "server"]

COUNTS = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def delta(text: str, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}}], **more}


def last(**more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", **more}]}


def told(usage: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"choices": [], "usage": usage, **more}


async def chat(gateway: Gateway, server: OpenAIServer, *events: dict[str, Any]) -> UsageReport:
    server.queue(Answer(body=sse(*events) + b"data: [DONE]\n\n"))
    return completed(await ask(gateway, request(spec("openai", server.base_url)))).report


@pytest.mark.parametrize(
    "events",
    [
        (delta("x"), last(), told(COUNTS)),
        (delta("x"), last(usage=COUNTS)),
        (delta("x"), {**last(), "usage": COUNTS}),
        (delta("x"), {**last(), "x_groq": {"id": "req_1", "usage": COUNTS}}),
        (
            delta("x", usage={**COUNTS, "completion_tokens": 1, "total_tokens": 101}),
            {**last(), "usage": COUNTS},
        ),
    ],
    ids=["a chunk of its own", "the choice", "the last chunk", "x_groq", "each chunk"],
)
async def test_usage_is_found(
    gateway: Gateway, openai_server: OpenAIServer, events: tuple[dict[str, Any], ...]
) -> None:
    report = await chat(gateway, openai_server, *events)
    assert (report.usage, report.source, report.flags) == (Usage(input=100, output=20), "provider", ())


async def test_cached_tokens_beside_the_counts_are_cache(
    gateway: Gateway, openai_server: OpenAIServer
) -> None:
    report = await chat(gateway, openai_server, delta("x"), last(usage={**COUNTS, "cached_tokens": 80}))
    assert report.usage == Usage(input=20, cache_read=80, output=20)
    assert report.flags == ()


async def test_counts_never_fall(gateway: Gateway, openai_server: OpenAIServer) -> None:
    less = {"prompt_tokens": 0, "completion_tokens": 5, "total_tokens": 5}
    report = await chat(gateway, openai_server, delta("x"), {**last(), "usage": COUNTS}, told(less))
    assert (report.usage, report.source) == (Usage(input=100, output=20), "provider")
    assert report.flags == ("usage_fell",)


async def test_a_zero_at_the_end_of_a_message_does_not_erase_its_input(
    gateway: Gateway, anthropic_server: AnthropicServer
) -> None:
    start = {"model": "test-model-1", "usage": {"input_tokens": 90, "cache_read_input_tokens": 10}}
    usage = {"input_tokens": 0, "output_tokens": 7}
    body = sse(
        {"type": "message_start", "message": start},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "x"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage},
        {"type": "message_stop"},
    )
    anthropic_server.queue(Answer(body=body))
    report = completed(await ask(gateway, request(spec("anthropic", anthropic_server.base_url)))).report
    assert report.usage == Usage(input=90, cache_read=10, output=7)


@pytest.mark.parametrize("tier", ["default", "standard", "STANDARD", "on_demand", "auto", None])
async def test_the_standard_tier_is_not_flagged(
    gateway: Gateway, openai_server: OpenAIServer, tier: str | None
) -> None:
    report = await chat(gateway, openai_server, delta("x", service_tier=tier), last(), told(COUNTS))
    assert report.flags == ()


async def test_another_tier_is_a_flag_on_either_wire(
    gateway: Gateway, openai_server: OpenAIServer, anthropic_server: AnthropicServer
) -> None:
    report = await chat(gateway, openai_server, delta("x", service_tier="priority"), last(), told(COUNTS))
    assert report.flags == ("service_tier:priority",)
    raw = {
        "input_tokens": 1,
        "output_tokens": 2,
        "service_tier": "batch",
        "speed": "fast",
        "inference_geo": "us",
    }
    anthropic_server.queue(Answer(usage=Usage(input=1, output=2), raw_usage=raw))
    end = completed(await ask(gateway, request(spec("anthropic", anthropic_server.base_url))))
    assert end.report.flags == ("service_tier:batch", "speed:fast", "inference_geo:us")


async def test_a_brokers_fee_for_a_key_of_ones_own_is_a_flag(
    gateway: Gateway, openai_server: OpenAIServer
) -> None:
    usage = {**COUNTS, "cost": 0.0001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.002}}
    report = await chat(gateway, openai_server, delta("x"), last(), told(usage))
    assert (report.flags, report.provider_cost_usd) == (("cost_in_parts",), "0.0001")


@pytest.mark.parametrize(
    ("asked", "served", "is_same"),
    [
        ("gpt-5-mini", "gpt-5-mini-2025-08-07", True),
        ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", True),
        ("mistral-large-latest", "mistral-large-2411", True),
        ("openai/gpt-5", "gpt-5-2025-08-07", True),
        ("models/gemini-2.5-pro", "gemini-2.5-pro-preview-05-06", True),
        ("llama3.1", "llama3.1:8b", True),
        ("deepseek/deepseek-r1:free", "deepseek/deepseek-r1", True),
        ("us.anthropic.claude-opus-4", "claude-opus-4-20250514", True),
        ("gpt-5", "", True),
        ("gpt-5", "gpt-5-mini", False),
        ("vendor/cheap", "vendor/dearer", False),
        ("openrouter/auto", "anthropic/claude-opus-4", False),
        ("gpt-4o", "gpt-4.1", False),
    ],
)
def test_the_model_that_answered(asked: str, served: str, is_same: bool) -> None:
    assert is_same_model(asked, served) is is_same


@pytest.mark.parametrize(
    ("served", "flags"), [("gpt-4.1-2025-04-14", ()), ("gpt-4.1-mini-2025-04-14", ("other_model",))]
)
async def test_an_answer_is_compared_with_the_name_that_the_catalogue_expects(
    gateway: Gateway, openai_server: OpenAIServer, served: str, flags: tuple[str, ...]
) -> None:
    openai_server.queue(Answer(model=served))
    model = spec("openai", openai_server.base_url, model_id="our-deployment", served_as="gpt-4.1")
    assert completed(await ask(gateway, request(model))).report.flags == flags


@pytest.mark.parametrize(
    ("host", "served_as", "is_requested"),
    [
        ("mine.openai.azure.com", "", True),
        ("mine.services.ai.azure.com", "", True),
        ("mine.openai.azure.com", "gpt-4.1", True),
        ("mine.openai.azure.com", "gpt-4o", False),
        ("openai.azure.com.example.org", "", False),
        ("api.openai.com", "", False),
    ],
)
def test_the_name_of_an_azure_deployment_is_not_another_model(
    host: str, served_as: str, is_requested: bool
) -> None:
    model = spec("openai", f"https://{host}/openai/v1", model_id="our-deployment", served_as=served_as)
    assert is_requested_model(model, "gpt-4.1-2025-04-14") is is_requested


@pytest.mark.parametrize("name", ["content", "reasoning_content"])
async def test_an_emoji_in_two_halves(gateway: Gateway, openai_server: OpenAIServer, name: str) -> None:
    def half(text: str) -> dict[str, Any]:
        return {"choices": [{"index": 0, "delta": {name: text}}]}

    openai_server.queue(Answer(body=sse(half("Gut \ud83d"), half("\ude00!"), half("\ud83d"), last())))
    events = await ask(gateway, request(spec("openai", openai_server.base_url)))
    text = text_of(events) if name == "content" else reasoning_of(events)
    assert text == "Gut \U0001f600!\ufffd"


async def test_utf8_that_is_cut_between_events(gateway: Gateway, openai_server: OpenAIServer) -> None:
    first, second = "\u00fc".encode()[:1], "\u00fc".encode()[1:]
    line = b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n'
    openai_server.queue(Answer(body=line % (b"gr" + first) + line % (second + b"n") + sse(last())))
    assert text_of(await ask(gateway, request(spec("openai", openai_server.base_url)))) == "gr\u00fcn"


async def test_keep_alives_extend_the_time_for_the_first_token(kind: str, server: Any, model: Any) -> None:
    server.queue(Answer(["one"], at={0: Silence(pings=True, lasts_s=1.2)}))
    gateway = Gateway(GatewayConfig(first_token_timeout_s=0.6))
    assert text_of(await ask(gateway, request(model))) == "one"
    await gateway.aclose()


async def test_a_models_own_limit_counts_and_the_message_names_the_setting(kind: str, server: Any) -> None:
    server.queue(Answer(first_delay_s=30))
    gateway = Gateway(GatewayConfig(first_token_timeout_s=20))
    asked = spec(kind, server.base_url, first_token_timeout_s=0.4)
    end = failed(await ask(gateway, request(asked)))
    assert end.message == (
        "The provider test did not begin to answer within 0.4 s: raise the model's first-token timeout, "
        "or PANTHEON_PROVIDER_FIRST_TOKEN_TIMEOUT_S."
    )
    assert end.may_have_cost
    await gateway.aclose()
