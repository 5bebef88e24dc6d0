"""Money formatted for people."""

from __future__ import annotations

import pytest

from sessions.pages.answers import total_cost
from sessions.pages.money import Money, money
from sessions.tests.support.amounts import AMOUNTS


@pytest.mark.parametrize(("pico", "text", "exact"), AMOUNTS)
def test_an_amount_is_short_and_exact(pico, text, exact):
    assert money(pico) == Money(text, exact)


def test_without_a_price_there_is_no_amount():
    assert money(None) == Money("unpriced", "")


@pytest.mark.parametrize(("costs", "total"), [([], 0), ([None], None), ([None, 3], 3), ([1, 2], 3)])
def test_a_total_counts_what_is_priced(costs, total):
    assert total_cost(costs) == total
