"""The models of menus: alias, price, context window."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from billing.fields import MTOK, pico_to_usd
from billing.models import ModelPrice
from billing.selectors.prices import Tiers, current_tiers
from billing.texts.money import short_usd
from orchestration.models import LlmModel

PRICE_HELP = "Prices per 1M input/output tokens. Context: max tokens per request."


@dataclass(frozen=True, slots=True)
class ModelOption:
    model: LlmModel
    price: str
    window: str

    @property
    def label(self) -> str:
        return f"{self.model.alias} · {self.price} · {self.window} context"


def options_of(models: Iterable[LlmModel]) -> list[ModelOption]:
    """Return models with their current prices, with one query."""
    models = list(models)
    tiers = current_tiers(models)
    return [
        ModelOption(model, price_text(tiers[model.pk]), tokens_text(model.context_window)) for model in models
    ]


def price_text(tiers: Tiers) -> str:
    """Format a model's price, and the input tokens from which another price applies."""
    if 0 not in tiers:
        return "no price"
    others = "".join(
        f" (over {tokens_text(first)}: {rates_text(price)})" for first, price in tiers.items() if first
    )
    return rates_text(tiers[0]) + others


def rates_text(price: ModelPrice) -> str:
    into, out = (short_usd(pico_to_usd(rate * MTOK)) for rate in (price.input_pico, price.output_pico))
    return f"{into} in, {out} out"


def tokens_text(count: int) -> str:
    """Format a number of tokens for people: 131,072 and 128,000 are 128k."""
    thousands = count / 1024 if count % 1000 and not count % 1024 else count / 1000
    return f"{thousands:.0f}k" if thousands < 999.5 else f"{round(thousands / 1000, 1):g}M"
