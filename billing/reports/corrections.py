"""Calls with the cost that corrections have added later."""

from __future__ import annotations

from collections.abc import Iterable

from billing.models import UsageEvent

PRICE = UsageEvent._meta.get_field("price")


def with_corrections(events: Iterable[UsageEvent]) -> list[UsageEvent]:
    """Return one event per call, in order, with the price and cost of its correction if it has one.

    Idempotent: applied to its own result it changes nothing.
    """
    rows = list(events)
    corrections = {row.corrects_id: row for row in rows if row.corrects_id is not None}
    calls = [row for row in rows if row.corrects_id is None]
    for call in calls:
        if (correction := corrections.get(call.pk)) is not None:
            call.price_id, call.cost_pico = correction.price_id, correction.cost_pico
            # Keeps a price from `select_related` without another query.
            if PRICE.is_cached(correction):
                call.price = correction.price
    return calls
