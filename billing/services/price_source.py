"""Model prices from the installed package genai-prices. Nothing is fetched.

Importing the package takes about 300 ms, so functions import it when they need it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from billing.services.prices import Rates, rate_pico
from orchestration.gateway.keys import NotConfigured, base_url_of
from orchestration.models import LlmModel, Provider
from orchestration.selectors import model_spec

PACKAGE = "genai-prices"
MAX_OUTPUT = 16_384
"""Tokens of output by default: enough for a long answer and its reasoning, and what is held for a call stays small."""
NOT_BY_BUCKET = ("requests_kcount", "output_reasoning_mtok")
"""Prices that `ModelPrice` cannot hold: per request, and a separate one for reasoning."""


class NotListed(Exception):
    """The data have no price for a model, or none that `ModelPrice` can hold. The message says which."""


@dataclass(frozen=True, slots=True)
class ListedPrice:
    """A model's price in the data. `tiers`: the tier's first total of input tokens -> rates."""

    listed_as: str
    tiers: Mapping[int, Rates]


def data_source() -> str:
    """Return the data's name and version: the `source` of prices taken from them."""
    return f"{PACKAGE} {version(PACKAGE)}"


def listed_price(model: LlmModel, *, at: dt.datetime) -> ListedPrice:
    """Return a model's price at a moment. Raises NotListed.

    Processing classes (batch, priority) are not requested, so the standard one counts.
    """
    from genai_prices.types import TimeOfDateConstraint

    listed = _entry_of(model)
    # `get_prices` would return the rate of this one time of day.
    if isinstance(listed.prices, list) and any(
        isinstance(price.constraint, TimeOfDateConstraint) for price in listed.prices
    ):
        raise NotListed("its price depends on the time of day")
    return ListedPrice(listed.id, tiers_of(listed.get_prices(at)))


def listed_window(model: LlmModel) -> int | None:
    """Return a model's context window in tokens, None if the data have none. `model` may be unsaved."""
    try:
        window: int | None = _entry_of(model).context_window
    except NotListed:
        return None
    return window


def list_listed_ids(provider: Provider) -> list[str]:
    """Return the ids of a provider's models in the data, by its address; none if the data do not know it."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        url = base_url_of(model_spec(LlmModel(provider=provider)))
        listed = get_snapshot().find_provider(None, None, url)
    except (NotConfigured, LookupError):
        return []
    return [model.id for model in listed.models]


def output_limit_for(window: int) -> int:
    """Return the output limit of a new model with this context window."""
    return min(window // 4, MAX_OUTPUT)


def _entry_of(model: LlmModel) -> Any:
    """Return a model's entry in the data. Raises NotListed."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        url = base_url_of(model_spec(model))
    except NotConfigured as error:
        raise NotListed(str(error)) from error
    name = model.served_as or model.model_id
    try:
        # By URL, not by the provider's name: the same model has another price on another server.
        _, entry = get_snapshot().find_provider_model(name, None, None, url)
    except LookupError as error:
        raise NotListed(f"no price known for {name} at {url}") from error
    return entry


def tiers_of(price: Any) -> dict[int, Rates]:
    """Return a price of the package as first input token -> rates. Raises NotListed."""
    from genai_prices.types import TieredPrices

    if any(getattr(price, name) is not None for name in NOT_BY_BUCKET):
        raise NotListed("its price has parts other than per input or output token")
    if price.input_mtok is None or price.output_mtok is None:
        raise NotListed("no price per token known")
    names = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok")
    values = {name: getattr(price, name) for name in names}
    tiered = [value for value in values.values() if isinstance(value, TieredPrices)]
    # A tier of the package applies above its start; ours begins at its first token.
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
        raise NotListed(f"its price cannot be stored: {error}") from error
