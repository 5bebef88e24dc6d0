"""API: the models available to agents."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiView
from billing.fields import PICO_PER_USD
from billing.models import ModelPrice
from billing.selectors.answered import has_answered
from billing.selectors.prices import current_tiers
from billing.selectors.shapes import usd_field
from orchestration.engine.efforts import EFFORTS
from orchestration.models import LlmModel
from orchestration.selectors import available_models, default_model, offered_efforts, takes_images
from web.api.pagination import page_of_rows
from web.api.schema import PAGE, operation, page_of
from web.api.shapes import Shape, count, flag, one_of, part, stated, text, values
from web.errors import PantheonError


def per_mtok(pico_per_token: int) -> str:
    """Format a price as USD per million tokens, exact."""
    return f"{(Decimal(pico_per_token) * 1_000_000 / PICO_PER_USD).normalize():f}"


def price(help_text: str, of: str) -> Any:
    """Return a price field; `of` gives pico-USD per token."""
    return stated(usd_field(help_text), of, per_mtok)


class PriceShape(Shape):
    # Rendered from a `ModelPrice`.
    input_usd_per_mtok = price("Per 1M uncached input tokens.", "input_pico")
    cache_read_usd_per_mtok = price("Per 1M tokens read from the cache.", "cache_read_pico")
    cache_write_5m_usd_per_mtok = price(
        "Per 1M tokens written to the cache for 5 minutes.", "cache_write_5m_pico"
    )
    cache_write_1h_usd_per_mtok = price(
        "Per 1M tokens written to the cache for 1 hour.", "cache_write_1h_pico"
    )
    output_usd_per_mtok = price("Per 1M output tokens.", "output_pico")


class AvailableModel(NamedTuple):
    model: LlmModel
    price: ModelPrice | None
    is_default: bool


class ModelShape(Shape):
    alias = text("Its alias, as in an agent's `model`.", of="model.alias")
    provider = text("Its provider.", of="model.provider.name")
    model_id = text("The provider's model ID.", of="model.model_id")
    context_window = count("Context window in tokens, input and output together.", of="model.context_window")
    max_output_tokens = count("Maximum output tokens.", of="model.max_output_tokens")
    json_schema = flag("Supports structured output.", of="model.json_schema")
    temperature = flag("Supports a temperature.", of="model.temperature")
    vision = flag(
        "Accepts images; otherwise agents get a line with each image's name.",
        of=lambda row: takes_images(row.model),
    )
    reasoning_effort = one_of(
        "Default reasoning effort; null: none is sent.",
        *EFFORTS,
        of="model.reasoning_effort",
        allow_null=True,
    )
    reasoning_efforts = values(
        "The reasoning efforts that it offers, from least to most; null: not known.",
        serializers.ChoiceField(choices=EFFORTS),
        of=lambda row: offered_efforts(row.model),
        allow_null=True,
    )
    is_default = flag("The default of agents without a model.")
    price = part("Null: unpriced.", PriceShape, allow_null=True)


class ModelsView(ApiView):
    @operation(
        "List the models available to agents", parameters=PAGE, answers=page_of("ModelPage", ModelShape)
    )
    def get(self, request: Request) -> Response:
        models, links = page_of_rows(request, available_models())
        tiers = current_tiers(models)
        try:
            default = default_model(has_answered).alias
        except PantheonError:
            default = None  # the configured default has no API key: there is no default until that is fixed
        rows = [AvailableModel(model, tiers[model.pk].get(0), model.alias == default) for model in models]
        return Response({**links, "results": ModelShape.render_all(rows)})
