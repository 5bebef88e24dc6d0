"""Money formatted for people."""

from __future__ import annotations

import pytest

from sessions.pages.answers import total_cost
from sessions.pages.money import Money, money


@pytest.mark.parametrize(
    ("pico", "text", "exact"),
    [
        (0, "$0.00", "0.00"),
        (12_340_000_000_000, "$12.34", "12.34"),
        (250_000_000_000, "$0.25", "0.25"),
        (16_146_000_000, "$0.0161", "0.016146"),
        (5_580_000_000, "$0.0056", "0.00558"),
        (72_000_000, "$0.000072", "0.000072"),
        (1, "$0.000000000001", "0.000000000001"),
        (999_990_000_000, "$1.00", "0.99999"),
    ],
)
def test_an_amount_is_short_and_exact(pico, text, exact):
    assert money(pico) == Money(text, exact)


def test_without_a_price_there_is_no_amount():
    assert money(None) == Money("unpriced", "")


@pytest.mark.parametrize(("costs", "total"), [([], 0), ([None], None), ([None, 3], 3), ([1, 2], 3)])
def test_a_total_counts_what_is_priced(costs, total):
    assert total_cost(costs) == total
