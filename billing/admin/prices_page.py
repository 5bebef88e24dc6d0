"""*Current prices*: the current price of every enabled model, with its source and age."""

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

RATE_LABELS = ("Input", "Cache read", "Cache write, 5 min", "Cache write, 1 h", "Output")
"""Names of RATES."""


@dataclass(frozen=True, slots=True)
class PriceLine:
    """One tier of a model; an unpriced model has one line without a price."""

    model: LlmModel
    price: ModelPrice | None
    rates: Sequence[tuple[str, str | None]]
    """Label and USD per 1M tokens of each rate."""


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
            "title": "Current prices",
            "lines": lines,
            "rate_labels": RATE_LABELS,
            "unpriced": sum(line.price is None for line in lines),
            "may_add": request.user.has_perm("billing.add_modelprice"),
        }
        return render(request, "admin/billing/prices.html", context)


def lines_of(model: Any, at: dt.datetime) -> list[PriceLine]:
    tiers = tiers_in_effect(model.prices.all(), at=at)
    # Without tier 0, calls below the first tier are unpriced: show that as a line.
    lines = [] if 0 in tiers else [PriceLine(model, None, [])]
    for price in tiers.values():
        rates = [
            (label, rate_text(getattr(price, rate))) for rate, label in zip(RATES, RATE_LABELS, strict=True)
        ]
        lines.append(PriceLine(model, price, rates))
    return lines
