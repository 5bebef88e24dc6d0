"""GET models: the models available to agents. See also test_rules.py."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from billing.models import ModelPrice
from orchestration.models import LlmModel, Provider
from sessions.tests.conftest import Api
from sessions.tests.factories import RATES, make_model

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _empty_catalogue(db: None, settings: Any) -> None:
    """Switch off what the instance starts with."""
    LlmModel.objects.update(enabled=False)
    settings.PANTHEON_DEFAULT_MODEL = ""


def listed(api: Api) -> list[dict[str, Any]]:
    body = api.get("models").json()
    assert (body["next"], body["previous"]) == (None, None)
    results: list[dict[str, Any]] = body["results"]
    return results


def aliases(api: Api) -> list[str]:
    return [model["alias"] for model in listed(api)]


def defaults(api: Api) -> list[str]:
    return [model["alias"] for model in listed(api) if model["is_default"]]


def test_an_empty_catalogue_is_an_empty_list(api: Api) -> None:
    assert listed(api) == []


def test_shows_where_it_runs_what_it_takes_and_what_it_costs(api: Api) -> None:
    make_model(model_id="test-2026-11", json_schema=False)
    assert listed(api) == [
        {
            "alias": "test-model",
            "provider": "demo-test",
            "model_id": "test-2026-11",
            "context_window": 32_768,
            "max_output_tokens": 2_048,
            "json_schema": False,
            "temperature": True,
            "vision": False,
            "reasoning_effort": None,
            "reasoning_efforts": None,
            "is_default": True,
            "price": {
                "input_usd_per_mtok": "2",
                "cache_read_usd_per_mtok": "0.2",
                "cache_write_5m_usd_per_mtok": "2.5",
                "cache_write_1h_usd_per_mtok": "4",
                "output_usd_per_mtok": "10",
            },
        }
    ]


def test_a_model_whose_server_refuses_images_takes_none(api: Api) -> None:
    make_model(alias="seeing", vision=True)
    make_model(alias="refusing", vision=True, unsupported={"images": {}})
    assert {model["alias"]: model["vision"] for model in listed(api)} == {"seeing": True, "refusing": False}


@pytest.mark.parametrize(
    ("unsupported", "offered"),
    [
        ({}, ["low", "high"]),
        ({"reasoning_effort=high": {}, "temperature": {}}, ["low"]),
        ({"reasoning_effort": {}}, []),
    ],
)
def test_shows_the_efforts_that_its_server_takes(
    api: Api, unsupported: dict[str, object], offered: list[str]
) -> None:
    make_model(reasoning_effort="low", reasoning_efforts=["high", "low"], unsupported=unsupported)
    (shown,) = listed(api)
    assert (shown["reasoning_effort"], shown["reasoning_efforts"]) == ("low", offered)


def test_an_unpriced_model_has_no_price_and_a_free_one_costs_0(api: Api) -> None:
    model = make_model()
    bare = LlmModel.objects.create(
        alias="unpriced", provider=model.provider, model_id="x", context_window=1024, max_output_tokens=16
    )
    ModelPrice.objects.create(model=model, source="free", **dict.fromkeys(RATES, 0))
    prices = {shown["alias"]: shown["price"] for shown in listed(api)}
    assert prices[bare.alias] is None
    assert set(prices[model.alias].values()) == {"0"}


@pytest.mark.parametrize(
    ("pico", "text"),
    [(1, "0.000001"), (1_000_000, "1"), (123_456_789, "123.456789"), (10**12, "1000000"), (150_000, "0.15")],
)
def test_prices_are_exact(api: Api, pico: int, text: str) -> None:
    model = make_model()
    ModelPrice.objects.create(model=model, source="test", **{**RATES, "input_pico": pico})
    (shown,) = listed(api)
    assert shown["price"]["input_usd_per_mtok"] == text


def test_shows_the_price_of_now_and_of_the_lowest_tier(api: Api) -> None:
    model = make_model()
    now = timezone.now()
    for rate, changes in (
        (3, {"effective_from": now - dt.timedelta(days=1)}),
        (9, {"effective_from": now + dt.timedelta(days=1)}),
        (5, {"effective_from": now, "min_input_tokens": 200_000}),
    ):
        rates = {**RATES, "input_pico": rate * 1_000_000}
        ModelPrice.objects.create(model=model, source="test", **rates, **changes)
    (shown,) = listed(api)
    assert shown["price"]["input_usd_per_mtok"] == "3"


def test_leaves_out_what_is_switched_off_or_lacks_its_key(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    make_model(alias="on")
    make_model(alias="off", enabled=False)
    keyed = Provider.objects.create(name="keyed", kind="openai", key_env="COUNCIL_API_KEY")
    switched_off = Provider.objects.create(name="switched-off", kind="openai", enabled=False)
    for alias, provider in (("keyed", keyed), ("nowhere", switched_off)):
        LlmModel.objects.create(
            alias=alias, provider=provider, model_id="x", context_window=1024, max_output_tokens=16
        )
    monkeypatch.delenv("COUNCIL_API_KEY", raising=False)
    assert aliases(api) == ["on"]
    monkeypatch.setenv("COUNCIL_API_KEY", "sk-secret")
    assert aliases(api) == ["keyed", "on"]
    assert "sk-secret" not in api.get("models").content.decode()
    assert "COUNCIL_API_KEY" not in api.get("models").content.decode()


def test_one_is_the_default(api: Api, settings: Any) -> None:
    make_model(alias="one", position=2)
    make_model(alias="two", position=1)
    assert defaults(api) == ["two"]
    settings.PANTHEON_DEFAULT_MODEL = "one"
    assert defaults(api) == ["one"]


def test_a_default_that_is_not_available_is_none(api: Api, settings: Any) -> None:
    make_model(alias="one")
    settings.PANTHEON_DEFAULT_MODEL = "two"
    assert (aliases(api), defaults(api)) == (["one"], [])


def test_takes_as_many_queries_for_many_as_for_one(api: Api, django_assert_num_queries) -> None:
    make_model()
    api.get("models")
    with django_assert_num_queries(4):  # the token, the models, their prices, the default
        listed(api)
    for number in range(5):
        model = make_model(alias=f"model-{number}")
        ModelPrice.objects.create(model=model, source="test", **RATES)
    with django_assert_num_queries(4):
        assert len(listed(api)) == 6
