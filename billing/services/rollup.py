"""The daily rollup: sums that a commit adds to, so that reports never read the events."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.db import connection

from billing.models import DailyUsage, UsageEvent

KEY = ("day", "team_id", "user_id", "room_id", "agent_id", "model_id", "purpose", "mode")
TOKENS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
)
SUMS = ("calls", *TOKENS, "cost_pico", "estimated_cost_pico", "unpriced_calls")


def sums_of(events: Iterable[UsageEvent]) -> dict[tuple[Any, ...], list[int]]:
    """Return rollup key -> sums, in the order of KEY and SUMS."""
    rows: dict[tuple[Any, ...], list[int]] = {}
    for event in events:
        day = event.created_at.astimezone(dt.UTC).date()
        key = (day, *(getattr(event, name) for name in KEY[1:]))
        cost = event.cost_pico or 0
        estimated = cost if event.source == UsageEvent.Source.ESTIMATED else 0
        values = [
            1,
            *(getattr(event, name) for name in TOKENS),
            cost,
            estimated,
            int(event.cost_pico is None),
        ]
        rows[key] = [old + new for old, new in zip(rows.get(key, [0] * len(SUMS)), values, strict=True)]
    return rows


def rollup_add(events: Iterable[UsageEvent]) -> None:
    """Add events to their days' rows in one statement (inside a transaction).

    Raw SQL because the ORM's upsert can only replace, not add. Rows are sorted so that two commits that add to the
    same rows lock them in one order.
    """
    rows = sorted(sums_of(events).items(), key=lambda item: [str(part) for part in item[0]])
    if not rows:
        return
    table = connection.ops.quote_name(DailyUsage._meta.db_table)
    fields: list[Any] = [
        DailyUsage._meta.get_field(name.removesuffix("_id") if name == "model_id" else name) for name in KEY
    ]
    columns = ", ".join((*KEY, *SUMS))
    places = ", ".join(["%s"] * (len(KEY) + len(SUMS)))
    added = ", ".join(f"{name} = {table}.{name} + EXCLUDED.{name}" for name in SUMS)
    sql = (
        f"INSERT INTO {table} ({columns}) VALUES {', '.join([f'({places})'] * len(rows))} "
        f"ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET {added}"
    )
    params: list[Any] = []
    for key, values in rows:
        params += [field.get_db_prep_value(part, connection) for field, part in zip(fields, key, strict=True)]
        params += values
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
