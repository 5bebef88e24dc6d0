"""`bin/manage add_model`."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from billing.models import ModelPrice
from orchestration.models import LlmModel, Provider
from orchestration.tests.providers import Answer, OpenAIServer
from orchestration.tests.providers.fixtures import openai_server

__all__ = ["openai_server"]

pytestmark = pytest.mark.django_db

MODEL = [
    "llama",
    "--provider",
    "openai",
    "--model-id",
    "llama3.2",
    "--context-window",
    "8192",
    "--max-output",
    "1024",
]


def add(*args: str) -> str:
    out = StringIO()
    call_command("add_model", *args, stdout=out)
    return out.getvalue()


def rates(alias: str) -> tuple[int, ...]:
    """Return input, cache read, cache write 5 minutes and 1 hour, output."""
    price = ModelPrice.objects.get(model__alias=alias)
    return (
        price.input_pico,
        price.cache_read_pico,
        price.cache_write_5m_pico,
        price.cache_write_1h_pico,
        price.output_pico,
    )


def usd(**prices: str) -> list[str]:
    return [
        text for name, value in prices.items() for text in (f"--{name.replace('_', '-')}-usd-per-mtok", value)
    ]


ROUTED = {
    "id": "vendor/thinker",
    "context_length": 200_000,
    "top_provider": {"context_length": 100_000, "max_completion_tokens": 8_000},
    "architecture": {"input_modalities": ["text", "image"]},
    "supported_parameters": ["max_tokens", "reasoning"],
    "reasoning": {"mandatory": True, "supported_efforts": ["low", "high"]},
}


def test_the_list_of_the_server_fills_in_limits_and_abilities(openai_server: OpenAIServer) -> None:
    provider = Provider.objects.create(name="home", kind="openai", base_url=openai_server.base_url)
    openai_server.models_answer = Answer(body=json.dumps({"object": "list", "data": [ROUTED]}).encode())
    text = add("thinker", "--provider", "home", "--model-id", "vendor/thinker")
    model = LlmModel.objects.get(alias="thinker")
    assert (model.context_window, model.max_output_tokens) == (100_000, 8_000)
    assert (model.json_schema, model.temperature, model.vision) == (False, False, True)
    assert model.reasoning_efforts == ["low", "high"]
    assert "It has no structured output, no temperature, vision, reasoning efforts low, high." in text
    provider.refresh_from_db()
    assert provider.tested_at is not None

    own = (
        "--context-window",
        "50000",
        "--max-output",
        "4000",
        "--reasoning-efforts",
        "medium",
        "--no-vision",
    )
    add("own", "--provider", "home", "--model-id", "vendor/thinker", *own)
    model = LlmModel.objects.get(alias="own")
    assert (model.context_window, model.max_output_tokens) == (50_000, 4_000)
    assert model.reasoning_efforts == ["medium"]
    assert not model.vision


def test_a_model_without_a_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    said = add(*MODEL)
    model = LlmModel.objects.get(alias="llama")
    assert (model.provider.name, model.model_id, model.context_window, model.max_output_tokens) == (
        "openai",
        "llama3.2",
        8192,
        1024,
    )
    assert (model.json_schema, model.temperature, model.enabled) == (True, True, True)
    assert not model.prices.exists()
    assert "unpriced" in said
    assert "OPENAI_API_KEY" in said


def test_its_reasoning_efforts() -> None:
    add(*MODEL, "--reasoning-efforts", "low", "high", "--reasoning-effort", "low")
    model = LlmModel.objects.get(alias="llama")
    assert (model.reasoning_efforts, model.reasoning_effort) == (["low", "high"], "low")
    with pytest.raises(CommandError, match="huge"):
        add(*MODEL, "--reasoning-efforts", "huge")


def test_whether_it_takes_images() -> None:
    add(*MODEL)
    assert not LlmModel.objects.get(alias="llama").vision
    add("llava", *MODEL[1:], "--vision")
    assert LlmModel.objects.get(alias="llava").vision


def test_what_it_cannot_take() -> None:
    add(*MODEL, "--no-json-schema", "--no-temperature")
    model = LlmModel.objects.get(alias="llama")
    assert (model.json_schema, model.temperature) == (False, False)


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        (usd(input="2", output="10"), (2_000_000, 2_000_000, 2_000_000, 2_000_000, 10_000_000)),
        (usd(input="0", output="0"), (0, 0, 0, 0, 0)),
        (
            usd(input="2", output="10", cache_read="0.2", cache_write="2.5"),
            (2_000_000, 200_000, 2_500_000, 2_500_000, 10_000_000),
        ),
        (
            usd(input="2", output="10", cache_write="2.5", cache_write_1h="4"),
            (2_000_000, 2_000_000, 2_500_000, 4_000_000, 10_000_000),
        ),
        (
            usd(input="2", output="10", cache_write_1h="4"),
            (2_000_000, 2_000_000, 2_000_000, 4_000_000, 10_000_000),
        ),
    ],
)
def test_prices(prices: list[str], expected: tuple[int, ...]) -> None:
    assert "unpriced" not in add(*MODEL, *prices)
    assert rates("llama") == expected


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (usd(input="2"), "--output-usd-per-mtok"),
        (usd(output="2"), "--input-usd-per-mtok"),
        (usd(cache_read="2"), "--input-usd-per-mtok"),
        (usd(input="cheap", output="1"), "not a number"),
        (usd(input="-1", output="1"), "0 to 1,000,000"),
        (usd(input="NaN", output="1"), "0 to 1,000,000"),
        (usd(input="0.0000001", output="1"), "6 decimal places"),
        (["--provider", "nowhere"], "Providers: anthropic, demo, openai"),
        (["--context-window", "many"], "context-window"),
        (["--context-window", "5"], "context window"),
        (["--max-output", "8192"], "max output tokens"),
        (["--model-id", ""], "model id"),
    ],
)
def test_bad_input_is_named(args: list[str], words: str) -> None:
    before = LlmModel.objects.count()
    with pytest.raises(CommandError, match=words):
        add(*MODEL, *args)
    assert LlmModel.objects.count() == before


def test_an_alias_is_taken_once() -> None:
    with pytest.raises(CommandError, match="alias"):
        add("demo", *MODEL[1:])


def test_a_price_far_from_the_data_is_asked_about() -> None:
    nano = ["mini-wrong", "--provider", "openai", "--model-id", "gpt-4.1-nano"]
    limits = ["--context-window", "8192", "--max-output", "1024"]
    prices = usd(input="100", output="0.4")
    with pytest.raises(CommandError, match=r"input 100.00 \(listed: 0.10\).*--yes"):
        add(*nano, *limits, *prices)
    assert not LlmModel.objects.filter(alias="mini-wrong").exists()
    assert "Added the model" in add(*nano, *limits, *prices, "--yes")


def test_a_price_of_a_model_that_is_not_listed_is_not_asked_about() -> None:
    assert "Added the model" in add(*MODEL, *usd(input="100", output="100"))


def test_the_data_fill_in_window_and_price() -> None:
    text = add("nano", "--provider", "openai", "--model-id", "gpt-4.1-nano")
    model = LlmModel.objects.get(alias="nano")
    assert (model.context_window, model.max_output_tokens) == (1_000_000, 16_384)
    price = model.prices.get()
    assert (price.input_pico, price.output_pico) == (100_000, 400_000)
    assert price.source.startswith("genai-prices")
    assert "USD 0.10 in, 0.40 out per 1M tokens" in text


def test_the_name_behind_a_deployment_has_the_price() -> None:
    add("ours", "--provider", "openai", "--model-id", "our-deployment", "--served-as", "gpt-4.1-nano")
    model = LlmModel.objects.get(alias="ours")
    assert (model.model_id, model.served_as) == ("our-deployment", "gpt-4.1-nano")
    assert rates("ours")[0] == 100_000


def test_tiers_come_with_the_price() -> None:
    add("sol", "--provider", "openai", "--model-id", "gpt-6.1-sol")
    assert set(ModelPrice.objects.filter(model__alias="sol").values_list("min_input_tokens", flat=True)) == {
        0,
        272_001,
    }


def test_a_known_model_can_stay_unpriced() -> None:
    assert "unpriced" in add("nano", "--provider", "openai", "--model-id", "gpt-4.1-nano", "--unpriced")
    with pytest.raises(CommandError, match="not both"):
        add("more", *MODEL[1:], "--unpriced", *usd(input="1", output="1"))


def test_an_unknown_model_needs_its_window() -> None:
    with pytest.raises(CommandError, match="give its --context-window"):
        add("llama", "--provider", "openai", "--model-id", "llama3.2")
