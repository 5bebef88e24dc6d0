"""A user's usage by API token, summed from the events: the rollups do not have the token."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any

from django.db.models import Count, F, Q, Sum

from accounts.models import ApiToken
from billing.days import DayRange
from billing.models import ZERO_UUID
from billing.models.bucket_columns import TOKENS
from billing.reports.events import events_of
from billing.reports.filters import Filters
from billing.reports.report import Table, TableRow
from billing.reports.sums import Sums

OF_PAGES = "Pages (no token)"


def tokens_table(days: DayRange, filters: Filters) -> Table:
    """Return the sums by token and of the pages, the highest cost first; no rows if no token was used. Two queries.

    `filters` must name a user: the events of everybody are too many to sum for a page.
    """
    assert filters.user is not None
    sums = {f"sum_{name}": Sum(name, default=0) for name in TOKENS}
    rows = (
        events_of(days, filters)
        .order_by()
        .values("token_id")
        .annotate(
            calls=Count("pk", filter=Q(corrects__isnull=True)),
            priced=Count("pk", filter=Q(cost_pico__isnull=False, cost_before_pico__isnull=True)),
            spent=Sum("cost_pico", default=0),
            **sums,
        )
        .order_by(F("spent").desc(), "token_id")
    )
    pairs = {row["token_id"]: sums_of(row) for row in rows}
    names = token_names(pairs.keys() - {None})
    table = [
        TableRow("token", token or ZERO_UUID, names[token] if token else OF_PAGES, sums)
        for token, sums in pairs.items()
    ]
    return Table("token", table if names else [])


def sums_of(row: dict[str, Any]) -> Sums:
    return Sums(
        calls=row["calls"],
        cost_pico=row["spent"],
        unpriced_calls=row["calls"] - row["priced"],
        **{name: row[f"sum_{name}"] for name in TOKENS},
    )


def token_names(ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return token -> name, also for deleted ones. At most one query."""
    if not ids:
        return {}
    names = dict(ApiToken.objects.filter(pk__in=ids).values_list("pk", "name"))
    return {token: names.get(token) or f"Deleted token ({str(token)[:8]})" for token in ids}
