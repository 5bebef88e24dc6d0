"""Add prices from the installed price data where the catalogue lacks them."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from billing.models import ModelPrice
from billing.models.bucket_columns import RATES
from billing.pricing import tiers_in_effect
from billing.services.price_source import PACKAGE, NotListed, data_source, listed_price
from billing.services.prices import Rates, price_add
from orchestration.gateway.kinds import DEMO
from orchestration.models import LlmModel


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncedModel:
    """The outcome for one model."""

    ADDED = "added"
    CONFIRMED = "confirmed"
    UNCHANGED = "unchanged"
    KEPT = "kept"
    UNKNOWN = "unknown"

    alias: str
    outcome: str
    note: str = ""
    added: Mapping[int, Rates]
    """Tier's first input token -> rates of the added rows."""
    was_unpriced: bool = False


@transaction.atomic(durable=True)
def price_sync(
    *, first_prices_from: dt.datetime | None = None, replace: bool = False, dry_run: bool = False
) -> list[SyncedModel]:
    """Add price rows where the data differ from the catalogue; return the outcome for every model.

    A row is also added if a newer release of the data confirms the rates (`confirmed`): rows never change, so a price
    is as old as its newest row. A price with another source was entered by a person and is kept unless `replace`.
    `first_prices_from`: when a model's first price takes effect, None for now; later prices take effect now.
    """
    models = LlmModel.objects.exclude(provider__kind=DEMO.key).select_related("provider")
    # Locked so that of two syncs at once, the second sees the rows of the first.
    locked = models.select_for_update(of=("self",), no_key=True).order_by("pk")
    rows: dict[uuid.UUID, list[ModelPrice]] = {model.pk: [] for model in locked}
    now = timezone.now()  # after the lock: later than the rows of a sync that held it before
    for price in ModelPrice.objects.filter(model_id__in=list(rows)):
        rows[price.model_id].append(price)
    results = [
        compare_model(model, rows[model.pk], now=now, replace=replace) for model in models.order_by("alias")
    ]
    if not dry_run:
        by_alias = {model.alias: model for model in models}
        for result in results:
            for first, rates in result.added.items():
                price_add(
                    model=by_alias[result.alias],
                    rates=rates,
                    source=data_source(),
                    min_input_tokens=first,
                    effective_from=(first_prices_from if result.was_unpriced else None) or now,
                )
    return results


def compare_model(
    model: LlmModel, rows: Sequence[ModelPrice], *, now: dt.datetime, replace: bool
) -> SyncedModel:
    """Compare the data with a model's price rows; return the outcome and the rows to add."""
    try:
        listed = listed_price(model, at=now)
    except NotListed as error:
        return SyncedModel(alias=model.alias, outcome=SyncedModel.UNKNOWN, note=str(error), added={})
    current = tiers_in_effect(rows, at=now)
    expected = {first: tier_at(listed.tiers, first) for first in sorted({*listed.tiers, *current})}
    differing = {
        first: rates
        for first, rates in expected.items()
        if first not in current or rates.five() != rates_of(current[first])
    }
    stale = {
        first: rates
        for first, rates in expected.items()
        if first in current and is_other_release(current[first])
    }
    note = "" if listed.listed_as == (model.served_as or model.model_id) else f"listed as {listed.listed_as}"
    manual_source = next((row.source for row in current.values() if not row.source.startswith(PACKAGE)), None)
    if differing and manual_source is not None and not replace:
        outcome, added = SyncedModel.KEPT, {}
        note = f"entered by hand ({manual_source}); the data differ"
    elif differing:
        outcome, added = SyncedModel.ADDED, {**differing, **stale}
    elif stale and manual_source is None:
        outcome, added = SyncedModel.CONFIRMED, stale
    else:
        outcome, added = SyncedModel.UNCHANGED, {}
    return SyncedModel(
        alias=model.alias,
        outcome=outcome,
        note=note,
        added=dict(sorted(added.items())),
        was_unpriced=not current,
    )


def tier_at(tiers: Mapping[int, Rates], first: int) -> Rates:
    """Return the rates of a call with this much input. A removed tier gets the rates of the tier below."""
    return tiers[max(start for start in tiers if start <= first)]


def rates_of(row: ModelPrice) -> dict[str, int]:
    return {rate: getattr(row, rate) for rate in RATES}


def is_other_release(row: ModelPrice) -> bool:
    """Return whether a row comes from a release of the data other than the installed one."""
    return row.source.startswith(PACKAGE) and row.source != data_source()
