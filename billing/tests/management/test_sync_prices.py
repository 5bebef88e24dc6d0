"""Prices from the installed data: new ones are added, those entered by hand kept, and no row changed."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from genai_prices import calc_price
from genai_prices.types import ModelPrice as PackagePrice
from genai_prices.types import Tier, TieredPrices
from genai_prices.types import Usage as PackageUsage

from accounts.tests.support.at_once import at_once
from billing.fields import pico_to_usd
from billing.models import ModelPrice
from billing.pricing import cost_pico, price_for
from billing.services.price_source import NotListed, data_source, tiers_of
from billing.services.price_sync import price_sync
from billing.services.prices import Rates
from billing.tests.factories import make_price
from orchestration.engine.specs import Usage
from orchestration.models import LlmModel, Provider
from orchestration.services import model_add, provider_add

pytestmark = pytest.mark.django_db


def command(*options: str) -> str:
    out = StringIO()
    call_command("sync_prices", *options, stdout=out)
    return out.getvalue()


def add(model_id: str, *, alias: str = "new", base_url: str = "", kind: str = "openai") -> LlmModel:
    provider = provider_add(name="another", kind=kind, base_url=base_url)
    return model_add(
        alias=alias, provider=provider, model_id=model_id, context_window=100_000, max_output_tokens=1_000
    )


def cost_now(model: LlmModel, usage: Usage) -> int | None:
    price = price_for(model.prices.all(), total_input=usage.total_input, at=timezone.now())
    return cost_pico(usage, price)


@pytest.fixture
def bare(db: None) -> LlmModel:
    """A model of the data with two tiers, at OpenAI, without a price."""
    return add("gpt-6.1-sol")


def test_the_starter_prices_are_those_of_the_data() -> None:
    before = ModelPrice.objects.count()
    said = command()
    assert "6 unchanged." in said
    assert "demo" not in said
    assert ModelPrice.objects.count() == before


@pytest.mark.parametrize("total_input", [1_000, 272_000, 272_001, 900_000])
def test_an_unpriced_model_gets_its_price_with_its_tiers(bare: LlmModel, total_input: int) -> None:
    said = command()
    assert "new: added" in said
    assert "from 272,001 input tokens: input 4.00, cache read 0.20, " in said
    assert "reprice" in said
    usage = Usage(input=total_input - 700, cache_read=400, cache_write_5m=300, output=50_000)
    expected = calc_price(
        PackageUsage(
            input_tokens=total_input, cache_read_tokens=400, cache_write_tokens=300, output_tokens=50_000
        ),
        model_ref="gpt-6.1-sol",
        provider_id="openai",
    )
    cost = cost_now(bare, usage)
    assert cost is not None
    assert pico_to_usd(cost) == expected.total_price
    assert set(bare.prices.values_list("source", flat=True)) == {data_source()}


def test_the_second_time_nothing_is_added(bare: LlmModel) -> None:
    command()
    before = list(ModelPrice.objects.values())
    assert "new: unchanged" in command()
    assert list(ModelPrice.objects.values()) == before


def test_a_dry_run_writes_nothing(bare: LlmModel) -> None:
    before = ModelPrice.objects.count()
    said = command("--dry-run")
    assert "new: added" in said
    assert "Nothing was written." in said
    assert ModelPrice.objects.count() == before


def test_a_price_that_changed_is_added_and_the_old_one_stays(bare: LlmModel) -> None:
    old = make_price(bare, source=data_source(), input_pico=1)
    assert "new: added" in command()
    assert cost_now(bare, Usage(input=1)) == 2_000_000
    assert ModelPrice.objects.get(pk=old.pk).input_pico == 1


def test_a_tier_that_is_no_more_costs_what_the_tier_below_it_does(bare: LlmModel) -> None:
    command()
    make_price(bare, source=data_source(), min_input_tokens=500_000, effective_from=timezone.now())
    command()
    assert cost_now(bare, Usage(input=499_999, output=1)) == 499_999 * 4_000_000 + 15_000_000
    assert cost_now(bare, Usage(input=500_000, output=1)) == 500_000 * 4_000_000 + 15_000_000
    assert "new: unchanged" in command()


def test_of_several_tiers_the_one_that_a_person_entered_is_named(bare: LlmModel) -> None:
    command()
    make_price(bare, source="contract 7", min_input_tokens=5, effective_from=timezone.now())
    assert "new: kept, entered by hand (contract 7)" in command()


def test_what_a_person_entered_is_kept(bare: LlmModel) -> None:
    make_price(bare, source="our contract", input_pico=1)
    said = command()
    assert "new: kept, entered by hand (our contract)" in said
    assert bare.prices.count() == 1
    assert "new: added" in command("--replace")
    assert cost_now(bare, Usage(input=1)) == 2_000_000


def test_a_newer_release_that_says_the_same_confirms_the_price(bare: LlmModel) -> None:
    for row in [*LlmModel.objects.get(alias="claude-sonnet-5-5").prices.all()]:
        make_price(
            row.model,
            **{name: getattr(row, name) for name in Rates(input_pico=1, output_pico=1).five()},
            source="genai-prices 0.0.1",
            effective_from=timezone.now(),
        )
    assert "claude-sonnet-5-5: confirmed" in command()
    newest = ModelPrice.objects.filter(model__alias="claude-sonnet-5-5").latest("created_at")
    assert newest.source == data_source()
    assert timezone.now() - newest.checked_at < dt.timedelta(minutes=1)
    assert "claude-sonnet-5-5: unchanged" in command()


def test_a_price_of_the_future_is_left_alone(bare: LlmModel) -> None:
    make_price(bare, source="our contract", effective_from=timezone.now() + dt.timedelta(days=1))
    assert "new: added" in command()


def test_the_first_price_may_hold_from_an_earlier_day(bare: LlmModel) -> None:
    command("--from", "2026-11-01")
    assert set(bare.prices.values_list("effective_from", flat=True)) == {
        dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    }
    command("--from", "2026-10-01")
    assert bare.prices.count() == 2


@pytest.mark.parametrize(
    ("model_id", "base_url", "kind", "input_usd"),
    [
        ("claude-sonnet-5-5", "", "anthropic", 2),
        ("openai/gpt-4o", "https://openrouter.ai/api/v1", "openai", Decimal("2.5")),
    ],
)
def test_the_address_decides_whose_prices_count(
    model_id: str, base_url: str, kind: str, input_usd: Decimal
) -> None:
    model = add(model_id, base_url=base_url, kind=kind)
    assert "new: added" in command()
    assert cost_now(model, Usage(input=1_000_000)) == input_usd * 10**12


@pytest.mark.parametrize(
    ("model_id", "base_url"),
    [
        ("our-own", ""),
        ("gpt-6.1-sol", "http://127.0.0.1:11434/v1"),
        ("gpt-6.1-sol", "https://gateway.example.org"),
    ],
)
def test_unknown_models_stay_unpriced_and_are_reported(model_id: str, base_url: str) -> None:
    model = add(model_id, base_url=base_url)
    said = command()
    assert f"new: unknown, no price known for {model_id} at " in said
    assert "1 unknown." in said
    assert not model.prices.exists()


def test_the_address_of_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert "gpt-6-luna: unknown" in command()
    monkeypatch.setenv("OPENAI_BASE_URL", "nowhere")
    assert "gpt-6-luna: unknown, The provider openai has no usable address" in command()


def test_a_free_model_is_priced_at_nothing() -> None:
    price = PackagePrice(input_mtok=Decimal(0), output_mtok=Decimal(0))
    assert set(tiers_of(price)[0].five().values()) == {0}


def test_a_bucket_without_a_rate_costs_what_input_costs() -> None:
    price = PackagePrice(input_mtok=Decimal(3), output_mtok=Decimal(5), cache_write_mtok=Decimal(4))
    assert tiers_of(price)[0].five() == {
        "input_pico": 3_000_000,
        "cache_read_pico": 3_000_000,
        "cache_write_5m_pico": 4_000_000,
        "cache_write_1h_pico": 4_000_000,
        "output_pico": 5_000_000,
    }


def test_every_start_of_a_tier_is_a_tier() -> None:
    price = PackagePrice(
        input_mtok=TieredPrices(base=Decimal(1), tiers=[Tier(100, Decimal(2)), Tier(300, Decimal(3))]),
        output_mtok=TieredPrices(base=Decimal(10), tiers=[Tier(200, Decimal(20))]),
    )
    tiers = tiers_of(price)
    assert {first: (rates.input_pico, rates.output_pico) for first, rates in tiers.items()} == {
        0: (1_000_000, 10_000_000),
        101: (2_000_000, 10_000_000),
        201: (2_000_000, 20_000_000),
        301: (3_000_000, 20_000_000),
    }


@pytest.mark.parametrize(
    "prices",
    [
        {"input_mtok": Decimal(1)},
        {"output_mtok": Decimal(1)},
        {"input_mtok": Decimal(1), "output_mtok": Decimal(1), "requests_kcount": Decimal(1)},
        {"input_mtok": Decimal(1), "output_mtok": Decimal(1), "output_reasoning_mtok": Decimal(2)},
        {"input_mtok": Decimal("0.0000001"), "output_mtok": Decimal(1)},
    ],
)
def test_a_price_that_no_row_can_say_is_not_taken(prices: dict[str, Any]) -> None:
    with pytest.raises(NotListed):
        tiers_of(PackagePrice(**prices))


def test_every_price_of_the_data_can_be_read() -> None:
    from genai_prices.data_snapshot import get_snapshot

    read = refused = 0
    for provider in get_snapshot().providers:
        for model in provider.models:
            try:
                tiers_of(model.get_prices(timezone.now()))
                read += 1
            except NotListed:
                refused += 1
    assert read > 1_500
    assert refused < read / 5


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_adds() -> None:
    model = add("gpt-6.1-sol")
    outcomes = at_once(price_sync, price_sync)
    assert not any(isinstance(outcome, Exception) for outcome in outcomes)
    assert model.prices.count() == 2


def test_nothing_imports_the_data_at_start() -> None:
    script = (
        "import os, sys, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'pantheon.settings'; django.setup(); "
        "import billing.management.commands.sync_prices, pantheon.urls; print('genai_prices' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_demo_is_not_looked_up_in_the_data() -> None:
    Provider.objects.filter(kind="demo").update(base_url="https://api.openai.com/v1")
    LlmModel.objects.filter(alias="demo").update(model_id="gpt-6.1-sol")
    command("--replace")
    assert LlmModel.objects.get(alias="demo").prices.count() == 1
