"""The cost of a call in exact integers, without rounding."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace

from billing.fields import MAX_PICO
from billing.models import ModelPrice
from orchestration.engine.specs import BUCKETS, INPUT_BUCKETS, Usage, UsageReport

OUT_OF_RANGE = "cost_out_of_range"
"""Flag of a call whose reported usage is implausible."""
PLAUSIBLE_TOKENS = 2_000_000
"""Twice the largest common context window."""
PLAUSIBLE_FACTOR = 10
"""How far counts may exceed the bound of a call: tokenizers differ, and some servers add much to a prompt."""

COST_DIFFERS = "cost_differs"
"""Flag of a call whose cost as the provider reports it is far from ours: a wrong price, or another model or tier."""
COST_IN_PARTS = "cost_in_parts"
"""Flag of a call whose reported cost is only a part: a broker's fee for requests with the customer's own key."""
TOLERATED_SHARE = 10
"""A tenth: brokers round, and add fees of some per cent."""
TOLERATED_PICO = 1_000_000


def price_for(prices: Iterable[ModelPrice], *, total_input: int, at: dt.datetime) -> ModelPrice | None:
    """Return the price row of a call, None if the model is unpriced.

    Of the rows in effect at `at`, the highest tier that the call's total input reaches applies to the whole call; the
    latest row of that tier counts.
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
    """Return a model's tiers at a moment, in order: first total of input tokens -> latest row."""
    due = [price for price in prices if price.effective_from <= at]
    due.sort(key=lambda price: (price.min_input_tokens, price.effective_from, price.created_at))
    return {price.min_input_tokens: price for price in due}


def cost_pico(usage: Usage, price: ModelPrice | None) -> int | None:
    """Return buckets x rates in pico-USD; None if unpriced. Reasoning is part of the output."""
    if price is None:
        return None
    return sum(getattr(usage, bucket) * getattr(price, f"{bucket}_pico") for bucket in BUCKETS)


def cost_differs(ours: int | None, theirs: int | None, flags: Iterable[str]) -> bool:
    """Return whether the cost that a provider reports, in pico-USD, is far from ours."""
    if ours is None or theirs is None or COST_IN_PARTS in flags:
        return False
    difference = abs(ours - theirs)
    return difference > TOLERATED_PICO and difference * TOLERATED_SHARE > max(ours, theirs)


def billed_report(
    report: UsageReport, *, bound: Usage, prices: Iterable[ModelPrice], at: dt.datetime
) -> tuple[UsageReport, ModelPrice | None]:
    """Return a call's report as billed, and its price, None if unpriced.

    Implausible counts are replaced by `bound` as an estimate, so that budgets count the call; `raw` keeps what the
    provider sent. If `bound` costs more than MAX_PICO as well, the price is implausible and the call stays unpriced.
    """
    prices = list(prices)
    price = price_for(prices, total_input=report.usage.total_input, at=at)
    if is_plausible(report.usage, bound) and (cost_pico(report.usage, price) or 0) <= MAX_PICO:
        return report, price
    report = replace(report, flags=(*report.flags, OUT_OF_RANGE))
    price = price_for(prices, total_input=bound.total_input, at=at)
    if (cost_pico(bound, price) or 0) > MAX_PICO:
        return report, None
    return replace(report, usage=bound, source="estimated"), price


def is_plausible(usage: Usage, bound: Usage) -> bool:
    """Return whether a call can have used so many tokens.

    A few absurd counts would use up everybody's budgets, and their sum would not fit into any database column.
    """
    return all(
        count <= max(PLAUSIBLE_TOKENS, PLAUSIBLE_FACTOR * most)
        for count, most in ((usage.total_input, bound.total_input), (usage.output, bound.output))
    )


def call_bound_pico(
    *, input_tokens: int, output_tokens: int, prices: Iterable[ModelPrice], at: dt.datetime
) -> int | None:
    """Return the most that a call of up to this many tokens can cost, however its input is cached.

    Checks every tier up to `input_tokens`, since a lower tier may cost more. None if the model is unpriced for some
    input.
    """
    tiers = tiers_in_effect(prices, at=at)
    if 0 not in tiers:
        return None
    reached = [(first, price) for first, price in tiers.items() if first <= input_tokens]
    ends = [first - 1 for first, _ in reached[1:]] + [input_tokens]
    return max(
        most * highest_input_rate(price) + output_tokens * price.output_pico
        for (_, price), most in zip(reached, ends, strict=True)
    )


def highest_input_rate(price: ModelPrice) -> int:
    """Return the highest rate of an input token: uncached, cache read or cache write."""
    return max(getattr(price, f"{bucket}_pico") for bucket in INPUT_BUCKETS)
