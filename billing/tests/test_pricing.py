"""The price and the cost of a call, in exact integers."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.fields import pico_to_usd
from billing.models import ModelPrice
from billing.pricing import call_bound_pico, cost_pico, price_for
from billing.tests.factories import NOON, RATES, USAGE, USAGE_PICO
from orchestration.engine.specs import Usage

DAY = dt.timedelta(days=1)
tokens = st.integers(0, 10**7)
rates = st.integers(0, 10**9)


def price(source: str = "", **fields: Any) -> ModelPrice:
    defaults: dict[str, Any] = {"effective_from": NOON - DAY, "source": source, "created_at": NOON - DAY}
    return ModelPrice(id=uuid.uuid4(), **{**defaults, **RATES, **fields})


def chosen(*prices: ModelPrice, total_input: int = 1000, at: dt.datetime = NOON) -> str | None:
    """Return the source of a call's price, in any order of the rows."""
    found = {price_for(order, total_input=total_input, at=at) for order in (prices, prices[::-1])}
    assert len(found) == 1
    (row,) = found
    return None if row is None else row.source


def test_without_a_price_a_call_is_unpriced() -> None:
    assert chosen() is None
    assert cost_pico(USAGE, None) is None


def test_the_latest_in_effect_wins() -> None:
    old, new = price("old", effective_from=NOON - 9 * DAY), price("new", effective_from=NOON - DAY)
    assert chosen(old, new) == "new"
    assert chosen(old, new, at=NOON - 5 * DAY) == "old"


def test_a_price_holds_from_its_moment_on() -> None:
    row = price("from noon", effective_from=NOON)
    assert chosen(row, at=NOON) == "from noon"
    assert chosen(row, at=NOON - dt.timedelta(microseconds=1)) is None


def test_a_future_price_is_ignored() -> None:
    assert chosen(price("now"), price("soon", effective_from=NOON + DAY)) == "now"
    assert chosen(price("soon", effective_from=NOON + DAY)) is None


def test_moments_are_compared_across_time_zones() -> None:
    tokyo = dt.timezone(dt.timedelta(hours=9))
    assert chosen(price("now", effective_from=NOON.astimezone(tokyo))) == "now"


def test_of_two_rows_of_one_moment_the_one_added_later_wins() -> None:
    typo, mended = price("typo"), price("mended", created_at=NOON)
    assert chosen(typo, mended) == "mended"


@pytest.mark.parametrize(
    ("total_input", "source"),
    [
        (0, "base"),
        (199_999, "base"),
        (200_000, "long"),
        (200_001, "long"),
        (999_999, "long"),
        (1_000_000, "huge"),
        (10**9, "huge"),
    ],
)
def test_the_largest_tier_not_above_the_input_prices_the_call(total_input: int, source: str) -> None:
    tiers = [
        price("base"),
        price("long", min_input_tokens=200_000),
        price("huge", min_input_tokens=1_000_000),
    ]
    assert chosen(*tiers, total_input=total_input) == source


def test_a_tier_goes_before_a_newer_price_of_a_lower_tier() -> None:
    long = price("long", min_input_tokens=200_000, effective_from=NOON - 9 * DAY)
    assert chosen(long, price("base", effective_from=NOON - DAY), total_input=300_000) == "long"


def test_a_future_tier_is_ignored() -> None:
    soon = price("soon", min_input_tokens=200_000, effective_from=NOON + DAY)
    assert chosen(price("base"), soon, total_input=300_000) == "base"


def test_without_a_tier_for_small_calls_they_are_unpriced() -> None:
    assert chosen(price("long", min_input_tokens=200_000), total_input=1) is None


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(-3, 3)), max_size=8, unique=True),
    st.integers(0, 4),
    st.integers(-4, 4),
)
def test_is_what_the_contract_says_for_any_rows(
    rows: list[tuple[int, int]], total_input: int, day: int
) -> None:
    at = NOON + day * DAY
    prices = [
        price(f"{tier}/{days}", min_input_tokens=tier, effective_from=NOON + days * DAY)
        for tier, days in rows
    ]
    in_effect = [(tier, days) for tier, days in rows if days <= day and tier <= total_input]
    if not in_effect:
        assert chosen(*prices, total_input=total_input, at=at) is None
        return
    tier = max(tier for tier, _ in in_effect)
    latest = max(days for row_tier, days in in_effect if row_tier == tier)
    assert chosen(*prices, total_input=total_input, at=at) == f"{tier}/{latest}"


def test_a_cost_is_each_bucket_at_its_rate() -> None:
    assert cost_pico(USAGE, price()) == USAGE_PICO


def test_reasoning_is_paid_for_as_output_and_not_again() -> None:
    thoughtful = Usage(output=100, reasoning=90)
    assert cost_pico(thoughtful, price()) == 100 * RATES["output_pico"]


def test_a_free_model_costs_0_which_is_not_unpriced() -> None:
    assert cost_pico(USAGE, price("free", **dict.fromkeys(RATES, 0))) == 0


@given(st.tuples(tokens, tokens, tokens, tokens, tokens), st.tuples(rates, rates, rates, rates, rates))
def test_is_exact_to_the_pico(
    counts: tuple[int, int, int, int, int], picos: tuple[int, int, int, int, int]
) -> None:
    row = price("any", **dict(zip(RATES, picos, strict=True)))
    with localcontext(prec=60):
        usd = sum(
            (Decimal(count) * pico_to_usd(pico) for count, pico in zip(counts, picos, strict=True)),
            Decimal(0),
        )
        cost = cost_pico(Usage(*counts), row)
        assert isinstance(cost, int)
        assert pico_to_usd(cost) == usd


@given(st.lists(st.tuples(tokens, tokens), min_size=1, max_size=20))
def test_the_sum_of_costs_is_the_cost_of_the_sum(counts: list[tuple[int, int]]) -> None:
    row = price()
    costs = [cost_pico(Usage(input=given, output=taken), row) or 0 for given, taken in counts]
    total = Usage(input=sum(given for given, _ in counts), output=sum(taken for _, taken in counts))
    assert sum(costs) == cost_pico(total, row)


# --- The most that a call can cost ------------------------------------------------------------------------------------


def test_without_a_price_for_every_input_nothing_bounds_a_call() -> None:
    for prices in ((), (price(min_input_tokens=200),), (price(effective_from=NOON + DAY),)):
        assert call_bound_pico(input_tokens=500, output_tokens=1, prices=prices, at=NOON) is None


def test_the_most_expensive_way_to_cache_the_input_is_the_bound() -> None:
    bound = call_bound_pico(input_tokens=1_000, output_tokens=10, prices=[price()], at=NOON)
    assert bound == 1_000 * RATES["cache_write_1h_pico"] + 10 * RATES["output_pico"]


def test_a_lower_tier_that_is_dearer_is_reached_with_less_input() -> None:
    cheap_from_100 = price("cheap", min_input_tokens=100, **dict.fromkeys(RATES, 1))
    tiers = [price("dear", **dict.fromkeys(RATES, 5)), cheap_from_100]
    assert call_bound_pico(input_tokens=200, output_tokens=10, prices=tiers, at=NOON) == 99 * 5 + 10 * 5


tier_rows = st.lists(
    st.tuples(st.integers(1, 60), st.lists(st.integers(0, 9), min_size=5, max_size=5)),
    max_size=4,
    unique_by=lambda row: row[0],
)


@given(tier_rows, st.integers(0, 80), st.integers(0, 9), st.data())
def test_no_call_within_its_tokens_costs_more_than_its_bound(
    tiers: list[tuple[int, list[int]]], most: int, output: int, data: st.DataObject
) -> None:
    rows = [
        price(f"{first}", min_input_tokens=first, **dict(zip(RATES, five, strict=True)))
        for first, five in [(0, [3, 1, 4, 1, 5]), *tiers]
    ]
    bound = call_bound_pico(input_tokens=most, output_tokens=output, prices=rows, at=NOON)
    assert bound is not None
    counts = data.draw(
        st.lists(st.integers(0, most), min_size=4, max_size=4).filter(lambda c: sum(c) <= most)
    )
    fresh, read, write_5m, write_1h = counts
    usage = Usage(fresh, read, write_5m, write_1h, data.draw(st.integers(0, output)))
    cost = cost_pico(usage, price_for(rows, total_input=usage.total_input, at=NOON))
    assert cost is not None
    assert cost <= bound
    dearest = [
        cost_pico(Usage(**{bucket: total}, output=output), price_for(rows, total_input=total, at=NOON)) or 0
        for total in range(most + 1)
        for bucket in ("input", "cache_read", "cache_write_5m", "cache_write_1h")
    ]
    assert bound == max(dearest), "no more is held than some call can cost"
