"""The daily rollup: sums that a commit adds to, so that reports never read the events.

An event counts as a call, with its tokens and its cost, or as an unpriced call. A correction is no call: it adds the
cost of the call it prices and takes the unpriced call back. So a day's row is the plain sum of its events.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Min

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
COLUMNS = ", ".join((*KEY, *SUMS))


def sums_of(events: Iterable[UsageEvent]) -> dict[tuple[Any, ...], list[int]]:
    """Return rollup key -> sums, in the order of KEY and SUMS."""
    rows: dict[tuple[Any, ...], list[int]] = {}
    for event in events:
        day = event.created_at.astimezone(dt.UTC).date()
        key = (day, *(getattr(event, name) for name in KEY[1:]))
        cost = event.cost_pico or 0
        estimated = cost if event.source == UsageEvent.Source.ESTIMATED else 0
        call, unpriced = (1, int(event.cost_pico is None)) if event.corrects_id is None else (0, -1)
        values = [call, *(getattr(event, name) for name in TOKENS), cost, estimated, unpriced]
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
    places = ", ".join(["%s"] * (len(KEY) + len(SUMS)))
    added = ", ".join(f"{name} = {table}.{name} + EXCLUDED.{name}" for name in SUMS)
    sql = (
        f"INSERT INTO {table} ({COLUMNS}) VALUES {', '.join([f'({places})'] * len(rows))} "
        f"ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET {added}"
    )
    params: list[Any] = []
    for key, values in rows:
        params += [field.get_db_prep_value(part, connection) for field, part in zip(fields, key, strict=True)]
        params += values
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuiltDay:
    """What rebuilding a day has done."""

    day: dt.date
    rows: int
    wrong: int
    """Rows that were missing, too many, or other than the sums of the events."""


@transaction.atomic(durable=True)
def rollup_rebuild(*, day: dt.date) -> RebuiltDay:
    """Replace the rows of a UTC day by the sums of its events.

    Safe while turns commit: their last statement adds to the rollup, and waits here for as long as a day takes. A
    commit that got there first is waited for, and its events are seen: every statement after the lock reads what was
    committed by then. Nothing else is locked, so there is no circle to wait in.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"LOCK TABLE {_daily()} IN SHARE ROW EXCLUSIVE MODE")  # readers go on
        wrong = rollup_wrong_rows(day=day)
        cursor.execute(f"DELETE FROM {_daily()} WHERE day = {_date()}", [_day_value(day)])
        sql, params = _summed(day)
        cursor.execute(f"INSERT INTO {_daily()} ({COLUMNS}) {sql}", params)
        return RebuiltDay(day=day, rows=cursor.rowcount, wrong=wrong)


def rollup_wrong_rows(*, day: dt.date) -> int:
    """Return how many rollup keys of a day are not the sums of its events; 0 is as it must be.

    While turns commit, ask inside a transaction that holds the lock of `rollup_rebuild`, or at a snapshot.
    """
    sql, params = _summed(day)
    kept = f"SELECT {COLUMNS} FROM {_daily()} WHERE day = {_date()}"
    kept_params = [_day_value(day)]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT COUNT(*) FROM (SELECT {', '.join(KEY)} FROM ("
            f"SELECT * FROM (SELECT * FROM ({sql}) AS a EXCEPT {kept}) AS missing "
            f"UNION ALL SELECT * FROM (SELECT * FROM ({kept}) AS b EXCEPT {sql}) AS surplus"
            f") AS differing GROUP BY {', '.join(KEY)}) AS keys",
            [*params, *kept_params, *kept_params, *params],
        )
        return int(cursor.fetchone()[0])


def ledger_days() -> tuple[dt.date, dt.date] | None:
    """Return the first and the last UTC day that has events or rollup rows, None for an empty ledger."""
    events = UsageEvent.objects.aggregate(first=Min("created_at"), last=Max("created_at"))
    rows = DailyUsage.objects.aggregate(first=Min("day"), last=Max("day"))
    days = [moment.astimezone(dt.UTC).date() for moment in events.values() if moment is not None]
    days += [day for day in rows.values() if day is not None]
    return (min(days), max(days)) if days else None


def _summed(day: dt.date) -> tuple[str, list[Any]]:
    """Return the SELECT of a day's rollup rows, computed from its events by the database, and its parameters.

    Raw SQL because the ORM cannot insert what it selects: a day may be many events, and none of them has to come here.
    """
    created_at: Any = UsageEvent._meta.get_field("created_at")
    start = dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC)
    sums = ", ".join(
        (
            "SUM(CASE WHEN corrects_id IS NULL THEN 1 ELSE 0 END)",
            *(f"SUM({name})" for name in TOKENS),
            "SUM(COALESCE(cost_pico, 0))",
            "SUM(CASE WHEN source = 'estimated' THEN COALESCE(cost_pico, 0) ELSE 0 END)",
            "SUM(CASE WHEN corrects_id IS NOT NULL THEN -1 WHEN cost_pico IS NULL THEN 1 ELSE 0 END)",
        )
    )
    events = connection.ops.quote_name(UsageEvent._meta.db_table)
    sql = (
        f"SELECT {_date()} AS day, {', '.join(KEY[1:])}, {sums} FROM {events} "
        f"WHERE created_at >= %s AND created_at < %s GROUP BY {', '.join(KEY[1:])}"
    )
    moments = [
        created_at.get_db_prep_value(moment, connection) for moment in (start, start + dt.timedelta(days=1))
    ]
    return sql, [_day_value(day), *moments]


def _daily() -> str:
    return connection.ops.quote_name(DailyUsage._meta.db_table)


def _date() -> str:
    """Return the place of a date: PostgreSQL has to be told that it is one, SQLite keeps it as text."""
    return "%s::date" if connection.vendor == "postgresql" else "%s"


def _day_value(day: dt.date) -> Any:
    field: Any = DailyUsage._meta.get_field("day")
    return field.get_db_prep_value(day, connection)
