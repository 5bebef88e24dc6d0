"""What models cost by the data of the package genai-prices: part of the installation, nothing is fetched.

Importing the package takes some 300 ms, so it is imported where it is asked and nowhere else.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from billing.services.prices import Rates, rate_pico
from orchestration.gateway.keys import NotConfigured, base_url_of
from orchestration.models import LlmModel
from orchestration.selectors import model_spec

PACKAGE = "genai-prices"
NOT_BY_BUCKET = ("requests_kcount", "output_reasoning_mtok")
"""Prices of the data that no price row of ours can say: per request, and for reasoning apart from the output."""


class NotListed(Exception):
    """The data have no price for a model, or none that a price row can say; the message tells which."""


@dataclass(frozen=True, slots=True)
class ListedPrice:
    """What a model costs by the data: the first total of input tokens of each tier -> rates."""

    listed_as: str
    tiers: Mapping[int, Rates]


def data_source() -> str:
    """Return the data's name and version, which prices taken from them name as their source."""
    return f"{PACKAGE} {version(PACKAGE)}"


def listed_price(model: LlmModel, *, at: dt.datetime) -> ListedPrice:
    """Return a model's price at a moment. Raises NotListed.

    The server is told by the address that calls go to, not by the name of the provider: behind another address the
    same model costs something else. Processing classes (batch, priority) are not asked for, so the standard one counts.
    """
    from genai_prices.data_snapshot import get_snapshot
    from genai_prices.types import TimeOfDateConstraint

    try:
        url = base_url_of(model_spec(model))
    except NotConfigured as error:
        raise NotListed(str(error)) from error
    try:
        _, listed = get_snapshot().find_provider_model(model.model_id, None, None, url)
    except LookupError as error:
        raise NotListed(f"no price of {model.model_id} at {url} is known") from error
    if isinstance(listed.prices, list) and any(
        isinstance(price.constraint, TimeOfDateConstraint) for price in listed.prices
    ):
        raise NotListed("its price depends on the time of day")
    return ListedPrice(listed.id, tiers_of(listed.get_prices(at)))


def tiers_of(price: Any) -> dict[int, Rates]:
    """Return a price of the package as rates by tier. There a tier begins above its start, here at its first token."""
    from genai_prices.types import TieredPrices

    if any(getattr(price, name) is not None for name in NOT_BY_BUCKET):
        raise NotListed("its price has parts that are not per input or output token")
    if price.input_mtok is None or price.output_mtok is None:
        raise NotListed("no price per token is known")
    names = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok")
    values = {name: getattr(price, name) for name in names}
    tiered = [value for value in values.values() if isinstance(value, TieredPrices)]
    firsts = {0, *(tier.start + 1 for value in tiered for tier in value.tiers)}

    def rate(name: str, first: int) -> int | None:
        value = values[name]
        if isinstance(value, TieredPrices):
            above = [tier for tier in value.tiers if first > tier.start]
            value = above[-1].price if above else value.base
        return None if value is None else rate_pico(value)

    def rates(first: int) -> Rates:
        written = rate("cache_write_mtok", first)
        written_1h = rate("cache_write_1h_mtok", first)
        return Rates(
            input_pico=rate("input_mtok", first) or 0,
            output_pico=rate("output_mtok", first) or 0,
            cache_read_pico=rate("cache_read_mtok", first),
            cache_write_5m_pico=written,
            cache_write_1h_pico=written if written_1h is None else written_1h,
        )

    try:
        return {first: rates(first) for first in sorted(firsts)}
    except ValueError as error:
        raise NotListed(f"its price cannot be kept: {error}") from error
