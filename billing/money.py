"""Money as people read it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from billing.fields import MTOK, pico_to_usd, usd_text


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in USD: short to read, exact beside it. Without a price both are empty."""

    text: str
    exact: str


def money(pico: int | None) -> Money:
    """Return an amount of pico-USD; static/js/money.js writes the same."""
    exact = usd_text(pico)
    if pico is None or exact is None:
        return Money("unpriced", "")
    return Money(short_usd(pico_to_usd(pico)), exact)


def rate_text(pico_per_token: int) -> str | None:
    """Return a rate as USD per million tokens, exactly."""
    return usd_text(pico_per_token * MTOK)


def short_usd(usd: Decimal) -> str:
    """Return cents; below one dollar four decimals, or two significant digits, without idle zeros."""
    if usd == 0 or abs(usd) >= 1:
        return f"${usd:.2f}"
    whole, _, fraction = f"{usd:.{max(4, 1 - usd.adjusted())}f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"
