"""Current prices of models."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping

from django.utils import timezone

from billing.models import ModelPrice
from billing.pricing import tiers_in_effect
from orchestration.models import LlmModel

Tiers = Mapping[int, ModelPrice]


def current_tiers(models: Iterable[LlmModel]) -> dict[uuid.UUID, Tiers]:
    """Return model -> its `tiers_in_effect`: one query. A model without tier 0 has no price."""
    models = list(models)
    prices: dict[uuid.UUID, list[ModelPrice]] = {model.pk: [] for model in models}
    for price in ModelPrice.objects.filter(model__in=models):
        prices[price.model_id].append(price)
    now = timezone.now()
    return {pk: tiers_in_effect(rows, at=now) for pk, rows in prices.items()}
