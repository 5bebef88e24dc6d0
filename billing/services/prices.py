"""Writes of prices: rows are added, never changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from billing.fields import MTOK
from billing.models import ModelPrice
from billing.models.bucket_columns import RATES
from orchestration.models import LlmModel, Provider
from orchestration.services import model_add
from web.validation import require_valid

MAX_USD_PER_MTOK = Decimal(1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Rates of the five buckets in pico-USD per token. A cache rate of None means the input rate."""

    input_pico: int
    output_pico: int
    cache_read_pico: int | None = None
    cache_write_5m_pico: int | None = None
    cache_write_1h_pico: int | None = None

    def five(self) -> dict[str, int]:
        """Return all five rates by field name of `ModelPrice`."""
        rates: dict[str, int | None] = {rate: getattr(self, rate) for rate in RATES}
        return {rate: self.input_pico if pico is None else pico for rate, pico in rates.items()}


def rate_pico(usd_per_mtok: Decimal) -> int:
    """Convert USD per million tokens to pico-USD per token. Raises ValueError unless it is a whole number from 0."""
    if not usd_per_mtok.is_finite() or not 0 <= usd_per_mtok <= MAX_USD_PER_MTOK:
        raise ValueError("a price is a number from 0 to 1,000,000")
    pico = usd_per_mtok * MTOK
    if pico != pico.to_integral_value():
        raise ValueError("a price has at most 6 decimal places")
    return int(pico)


def price_add(
    *,
    model: LlmModel,
    rates: Rates,
    source: str,
    min_input_tokens: int = 0,
    effective_from: dt.datetime | None = None,
) -> ModelPrice:
    """Add a price, in effect from now unless a moment is given. Raises ValidationFailed.

    `min_input_tokens`: the tier's first total of input tokens; a long-context tier "above 200,000" begins at 200,001.
    """
    now = timezone.now()
    price = ModelPrice(
        model=model,
        effective_from=effective_from or now,
        min_input_tokens=min_input_tokens,
        source=source,
        checked_at=now,
        **rates.five(),
    )
    require_valid(price)
    price.save()
    return price


def price_until(price: ModelPrice) -> dt.datetime | None:
    """Return when a later row of the same tier ended the effect of a price that was dated back; None if none has.

    Such a price does not correct calls made after that moment: only a row with the `effective_from` of the later one
    replaces it.
    """
    later = ModelPrice.objects.filter(
        model=price.model,
        min_input_tokens=price.min_input_tokens,
        effective_from__gt=price.effective_from,
        effective_from__lte=timezone.now(),
    )
    return later.order_by("effective_from").values_list("effective_from", flat=True).first()


@transaction.atomic(durable=True)
def priced_model_add(
    *,
    alias: str,
    provider: Provider,
    model_id: str,
    context_window: int,
    max_output_tokens: int,
    json_schema: bool,
    temperature: bool,
    tiers: Mapping[int, Rates],
    source: str,
    vision: bool = False,
    served_as: str = "",
    reasoning_efforts: Sequence[str] = (),
    reasoning_effort: str = "",
) -> LlmModel:
    """Add a model and its price in one transaction. Raises ValidationFailed.

    `tiers`: first total of input tokens -> rates; empty: the model is unpriced.
    """
    model = model_add(
        alias=alias,
        provider=provider,
        model_id=model_id,
        context_window=context_window,
        max_output_tokens=max_output_tokens,
        json_schema=json_schema,
        temperature=temperature,
        vision=vision,
        served_as=served_as,
        reasoning_efforts=reasoning_efforts,
        reasoning_effort=reasoning_effort,
    )
    for first, rates in tiers.items():
        price_add(model=model, rates=rates, source=source, min_input_tokens=first)
    return model
