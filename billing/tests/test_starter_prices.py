"""The starter prices match the data that they were taken from."""

from __future__ import annotations

from decimal import Decimal
from importlib import import_module

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone
from genai_prices import calc_price
from genai_prices.types import Usage as PricedUsage

from billing.fields import pico_to_usd
from billing.models import ModelPrice
from billing.pricing import cost_pico, price_for
from billing.tests.support.append_only import changes_allowed
from orchestration.engine.specs import Usage
from orchestration.models import LlmModel

pytestmark = pytest.mark.django_db
migration = import_module("billing.migrations.0002_starter_prices")

STARTERS = sorted({alias for alias, *_ in migration.PRICES})


@pytest.mark.parametrize("alias", STARTERS)
@pytest.mark.parametrize("total_input", [1_000, 100_000, 100_001, 272_000, 272_001, 900_000])
def test_a_call_costs_what_the_data_say(alias: str, total_input: int) -> None:
    usage = Usage(input=total_input - 700, cache_read=400, cache_write_5m=300, output=50_000)
    model = LlmModel.objects.get(alias=alias)
    price = price_for(model.prices.all(), total_input=usage.total_input, at=timezone.now())
    expected = calc_price(
        PricedUsage(
            input_tokens=total_input, cache_read_tokens=400, cache_write_tokens=300, output_tokens=50_000
        ),
        model_ref=model.model_id,
        provider_id=model.provider.name,
    )
    cost = cost_pico(usage, price)
    assert cost is not None
    assert pico_to_usd(cost) == expected.total_price


def test_the_hour_rates() -> None:
    rates = dict(
        ModelPrice.objects.filter(min_input_tokens=0).values_list("model__alias", "cache_write_1h_pico")
    )
    assert {alias: Decimal(rates[alias]) / 1_000_000 for alias in STARTERS} == {
        "claude-haiku-5-5": Decimal("0.2"),
        "claude-opus-5-5": Decimal(8),
        "claude-sonnet-5-5": Decimal(4),
        "gpt-6-luna": Decimal("0.125"),
        "gpt-6.1-sol": Decimal("2.5"),
        "gpt-6.1-terra": Decimal("1.25"),
    }


def test_every_model_of_the_start_has_a_price_and_the_demo_is_free() -> None:
    assert not LlmModel.objects.filter(prices=None).exists()
    [demo] = ModelPrice.objects.filter(model__alias="demo")
    assert cost_pico(Usage(1, 2, 3, 4, 5), demo) == 0
    for price in ModelPrice.objects.all():
        price.full_clean()


def test_it_goes_back_and_forth() -> None:
    # As in that migration, when prices could still be deleted.
    then = MigrationLoader(connection).project_state(("billing", "0002_starter_prices")).apps
    before = ModelPrice.objects.count()
    with changes_allowed():
        migration.remove(then, None)
    assert not ModelPrice.objects.exists()
    migration.add(then, None)
    assert ModelPrice.objects.count() == before
