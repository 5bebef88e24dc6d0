"""API: the models available to agents."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiView
from billing.fields import PICO_PER_USD
from billing.models import ModelPrice
from billing.selectors.prices import current_tiers
from orchestration.engine.specs import BUCKETS
from orchestration.models import LlmModel
from orchestration.selectors import available_models, default_model
from sessions.api.shapes import ModelShape
from web.api.pagination import page_of_rows
from web.api.schema import PAGE, operation, page_of
from web.errors import PantheonError


class ModelsView(ApiView):
    @operation(
        "List the models that agents may use", parameters=PAGE, answers=page_of("ModelPage", ModelShape)
    )
    def get(self, request: Request) -> Response:
        models, links = page_of_rows(request, available_models())
        tiers = current_tiers(models)
        try:
            default = default_model().alias
        except PantheonError:
            default = None  # the configured default has no API key: there is no default until that is fixed
        results = [model_json(model, tiers[model.pk].get(0), default) for model in models]
        return Response({**links, "results": results})


def model_json(model: LlmModel, price: ModelPrice | None, default: str | None) -> dict[str, Any]:
    """Return a model with its limits and its price (null: unpriced) in USD per million tokens."""
    return {
        "alias": model.alias,
        "provider": model.provider.name,
        "model_id": model.model_id,
        "context_window": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "json_schema": model.json_schema,
        "temperature": model.temperature,
        "is_default": model.alias == default,
        "price": price and price_json(price),
    }


def price_json(price: ModelPrice) -> dict[str, str]:
    return {f"{bucket}_usd_per_mtok": per_mtok(getattr(price, f"{bucket}_pico")) for bucket in BUCKETS}


def per_mtok(pico_per_token: int) -> str:
    """Format a price as USD per million tokens, exact."""
    return f"{(Decimal(pico_per_token) * 1_000_000 / PICO_PER_USD).normalize():f}"
