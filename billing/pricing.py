"""What a call costs: exact integers, no rounding anywhere."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from fractions import Fraction

from billing.models import ModelPrice
from orchestration.engine.specs import Usage


def price_for(prices: Iterable[ModelPrice], *, total_input: int, at: dt.datetime) -> ModelPrice | None:
    """Return the price row of a call, None where the model is unpriced.

    Of the rows in effect at `at`, those of the largest `min_input_tokens` not above the call's total input count;
    the latest of them prices the whole call.
    """
    in_effect = (
        price for price in prices if price.effective_from <= at and price.min_input_tokens <= total_input
    )
    return max(
        in_effect,
        key=lambda price: (price.min_input_tokens, price.effective_from, price.created_at),
        default=None,
    )


def tiers_in_effect(prices: Iterable[ModelPrice], *, at: dt.datetime) -> dict[int, ModelPrice]:
    """Return a model's tiers at a moment: first total of input tokens -> its latest row, in order."""
    due = [price for price in prices if price.effective_from <= at]
    due.sort(key=lambda price: (price.min_input_tokens, price.effective_from, price.created_at))
    return {price.min_input_tokens: price for price in due}


def cost_pico(usage: Usage, price: ModelPrice | None) -> int | None:
    """Return buckets x rates in pico-USD; None for an unpriced call. Reasoning is part of the output."""
    if price is None:
        return None
    return (
        usage.input * price.input_pico
        + usage.cache_read * price.cache_read_pico
        + usage.cache_write_5m * price.cache_write_5m_pico
        + usage.cache_write_1h * price.cache_write_1h_pico
        + usage.output * price.output_pico
    )


INPUT_MARGIN = Fraction(5, 4)
"""How much more input than estimated a call is taken to have when its upper bound is asked."""


def call_bound_pico(
    *, input_tokens: int, output_tokens: int, prices: Iterable[ModelPrice], at: dt.datetime
) -> int | None:
    """Return the most that a call is taken to cost: a quarter more input than estimated, all the output it may have.

    None where the model is unpriced.
    """
    most = math.ceil(input_tokens * INPUT_MARGIN)
    price = price_for(prices, total_input=most, at=at)
    if price is None:
        return None
    return most * max(price.input_pico, price.cache_read_pico) + output_tokens * price.output_pico
