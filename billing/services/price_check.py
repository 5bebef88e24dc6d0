"""Compare a price that somebody enters with the installed price data, to catch typing errors."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone

from billing.services.prices import Rates
from billing.texts.money import rate_text
from orchestration.models import LlmModel

MAX_FACTOR = 2
"""A rate is far from the listed one if either is more than this many times the other."""
COMPARED_RATES = {"input_pico": "input", "output_pico": "output"}


def doubt_about(
    model: LlmModel, rates: Rates, *, min_input_tokens: int = 0, at: dt.datetime | None = None
) -> str | None:
    """Return a sentence if rates are far from the listed ones; None if they are near, or the model is not listed.

    `model` may be unsaved. Compares input and output: cache rates follow them, and are often not listed.
    """
    from billing.services.price_source import NotListed, data_source, listed_price
    from billing.services.price_sync import tier_at

    try:
        listed = listed_price(model, at=at or timezone.now())
    except NotListed:
        return None
    listed_rates, entered = tier_at(listed.tiers, min_input_tokens).five(), rates.five()
    far = [
        f"{label} {rate_text(entered[name])} (listed: {rate_text(listed_rates[name])})"
        for name, label in COMPARED_RATES.items()
        if entered[name] > MAX_FACTOR * listed_rates[name] or listed_rates[name] > MAX_FACTOR * entered[name]
    ]
    if not far:
        return None
    return f"USD per million tokens of {listed.listed_as} differ much from {data_source()}: {', '.join(far)}."
