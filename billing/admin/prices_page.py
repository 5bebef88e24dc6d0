"""*Prices*: the current price of every enabled model, with its source and age."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views import View

from billing.models import ModelPrice
from billing.models.bucket_columns import RATES
from billing.pricing import tiers_in_effect
from billing.texts.money import rate_text
from orchestration.models import LlmModel


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One tier of a model; an unpriced model has one line without a price."""

    model: LlmModel
    first: bool
    """The model's first line."""
    price: ModelPrice | None
    rates: Sequence[str | None]


class PricesPage(View):
    """For staff who may see prices. `admin_view` handles signing in."""

    admin_site: AdminSite | None = None

    def get(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm("billing.view_modelprice"):
            raise PermissionDenied
        assert self.admin_site is not None
        now = timezone.now()
        models = LlmModel.objects.enabled().prefetch_related("prices").order_by("provider__name", "alias")
        lines = [line for model in models for line in lines_of(model, now)]
        context = {
            **self.admin_site.each_context(request),
            "title": "Prices",
            "lines": lines,
            "models": len(models),
            "unpriced": sum(line.price is None for line in lines),
            "may_add": request.user.has_perm("billing.add_modelprice"),
        }
        return render(request, "admin/billing/prices.html", context)


def lines_of(model: Any, at: dt.datetime) -> list[PriceLine]:
    tiers = tiers_in_effect(model.prices.all(), at=at)
    # Without tier 0, calls below the first tier are unpriced: show that as a line.
    lines = [] if 0 in tiers else [PriceLine(model, True, None, [])]
    for first, price in tiers.items():
        rates = [rate_text(getattr(price, rate)) for rate in RATES]
        lines.append(PriceLine(model, first == 0, price, rates))
    return lines
