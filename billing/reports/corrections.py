"""Calls with the cost that corrections have added later."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from operator import attrgetter

from billing.models import UsageEvent

PRICE = UsageEvent._meta.get_field("price")


def with_corrections(events: Iterable[UsageEvent]) -> list[UsageEvent]:
    """Return one event per call, in order, with the price and cost that its last correction left it with.

    A call that had a price before has its first cost in `cost_before_pico`. Idempotent: applied to its own result it
    changes nothing.
    """
    rows = list(events)
    corrections: dict[uuid.UUID, list[UsageEvent]] = defaultdict(list)
    for row in sorted(rows, key=attrgetter("corrections_before")):
        if row.corrects_id is not None:
            corrections[row.corrects_id].append(row)
    calls = [row for row in rows if row.corrects_id is None]
    for call in calls:
        if not (of_call := corrections[call.pk]):
            continue
        call.cost_before_pico = call.cost_pico
        call.cost_pico = (call.cost_pico or 0) + sum(row.cost_pico or 0 for row in of_call)
        call.price_id = of_call[-1].price_id
        # Keeps a price from `select_related` without another query.
        if PRICE.is_cached(of_call[-1]):
            call.price = of_call[-1].price
    return calls
