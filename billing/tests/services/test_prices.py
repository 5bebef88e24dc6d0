"""Adding prices."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.forms import modelform_factory
from django.utils import timezone

from billing.admin.prices import PriceForm
from billing.models import ModelPrice
from billing.pricing import price_for
from billing.services.prices import Rates, price_add, priced_model_add, rate_pico
from orchestration.models import LlmModel, Provider
from web.errors import ValidationFailed


@pytest.mark.parametrize(
    ("usd", "pico"),
    [("1", 1_000_000), ("0", 0), ("0.000001", 1), ("2.50", 2_500_000), ("1000000", 10**12), ("1e-6", 1)],
)
def test_rates(usd: str, pico: int) -> None:
    assert rate_pico(Decimal(usd)) == pico


@pytest.mark.parametrize("usd", ["-1", "0.0000001", "1000000.01", "NaN", "Infinity"])
def test_an_invalid_rate(usd: str) -> None:
    with pytest.raises(ValueError):
        rate_pico(Decimal(usd))


@pytest.mark.django_db
class TestPriceAdd:
    def test_missing_cache_rates_cost_what_input_costs(self) -> None:
        price = price_add(
            model=LlmModel.objects.get(alias="demo"), rates=Rates(input_pico=7, output_pico=9), source="me"
        )
        assert (price.cache_read_pico, price.cache_write_5m_pico, price.cache_write_1h_pico) == (7, 7, 7)

    def test_a_rate_of_zero_is_a_rate(self) -> None:
        rates = Rates(input_pico=7, output_pico=9, cache_read_pico=0)
        assert (
            price_add(model=LlmModel.objects.get(alias="demo"), rates=rates, source="me").cache_read_pico == 0
        )

    def test_it_counts_from_its_moment(self) -> None:
        model = LlmModel.objects.get(alias="demo")
        now = timezone.now()
        price_add(model=model, rates=Rates(input_pico=1, output_pico=1), source="me")
        later = price_add(
            model=model,
            rates=Rates(input_pico=2, output_pico=2),
            source="me",
            effective_from=now + dt.timedelta(days=1),
        )
        prices = list(model.prices.all())
        today = price_for(prices, total_input=0, at=now + dt.timedelta(hours=1))
        assert today is not None
        assert today.input_pico == 1
        assert price_for(prices, total_input=0, at=now + dt.timedelta(days=2)) == later

    @pytest.mark.parametrize("source", ["", "x" * 121])
    def test_a_price_that_cannot_be_taken(self, source: str) -> None:
        with pytest.raises(ValidationFailed):
            price_add(
                model=LlmModel.objects.get(alias="demo"),
                rates=Rates(input_pico=1, output_pico=1),
                source=source,
            )


@pytest.mark.django_db
@pytest.mark.parametrize(("tokens", "taken"), [(2**31 - 1, True), (2**31, False), (99_999_999_999, False)])
def test_the_form_takes_tiers_as_far_as_a_file_does(tokens: int, taken: bool) -> None:
    fields = {
        "model": LlmModel.objects.get(alias="demo").pk,
        "effective_from": timezone.now(),
        "min_input_tokens": tokens,
        "source": "me",
        "input_pico": "1",
        "output_pico": "1",
    }
    form = modelform_factory(ModelPrice, PriceForm)(fields)
    assert form.is_valid() is taken
    assert taken or "min_input_tokens" in form.errors


@pytest.mark.django_db
def test_a_model_and_its_price_are_added_together_or_not_at_all() -> None:
    with pytest.raises(ValidationFailed):
        priced_model_add(
            alias="half",
            provider=Provider.objects.get(name="openai"),
            model_id="half",
            context_window=8192,
            max_output_tokens=1024,
            json_schema=True,
            temperature=True,
            tiers={0: Rates(input_pico=1, output_pico=1)},
            source="",
        )
    assert not LlmModel.objects.filter(alias="half").exists()
