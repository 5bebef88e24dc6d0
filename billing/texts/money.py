"""Formatting of amounts for people."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from billing.fields import MTOK, pico_to_usd, usd_text

SMALLEST = Decimal("0.0001")
"""Smaller amounts are shown as smaller than this; their titles have them exactly."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in USD, short and exact. Unpriced: `exact` is empty."""

    text: str
    exact: str


def money(pico: int | None) -> Money:
    """Format pico-USD. static/js/money.js gives the same text."""
    exact = usd_text(pico)
    if pico is None or exact is None:
        return Money("unpriced", "")
    return Money(short_usd(pico_to_usd(pico)), exact)


def rate_text(pico_per_token: int) -> str | None:
    """Return a rate as exact USD per million tokens."""
    return usd_text(pico_per_token * MTOK)


def short_usd(usd: Decimal) -> str:
    """Return two decimals; below one dollar up to four, without trailing zeros."""
    if usd < 0:
        return f"-{short_usd(-usd)}"
    if usd == 0 or usd >= 1:
        return f"${usd:,.2f}"
    if usd < SMALLEST:
        return f"<${SMALLEST}"
    whole, _, fraction = f"{usd:.4f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"
