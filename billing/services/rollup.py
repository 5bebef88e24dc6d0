"""The rollups: sums that a commit adds to, so that reports never read the events.

An event counts as a call, with its tokens and its cost, or as an unpriced call. A correction is no call: it adds the
cost of the call it prices and takes the unpriced call back. So a row is the plain sum of its events: in `DailyUsage`
by everything a report groups by, in `UsageTotal` by less, or by week (see `billing.models.rollup_cuts`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Min

from billing.days import monday_of
from billing.models import ZERO_UUID, DailyUsage, UsageEvent, UsageTotal
from billing.models.rollup_columns import (
    COLUMNS,
    KEY,
    ORCHESTRATION,
    SUMS,
    TOKENS,
    TOTAL_COLUMNS,
    TOTAL_KEY,
    TOTAL_SUMS,
)
from billing.models.rollup_cuts import CUTS, DAILY, NONE, WEEKLY
from web.compiled import together


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
    """Add events to their days' rows and to the totals (inside a transaction)."""
    sums_add(sums_of(events))


def sums_add(sums: dict[tuple[Any, ...], list[int]]) -> None:
    """Add sums by rollup key to the rollups (inside a transaction).

    Raw SQL because the ORM's upsert can only replace, not add. Rows are sorted so that two commits that add to the
    same rows lock them in one order.
    """
    rows = sorted(sums.items(), key=lambda item: [str(part) for part in item[0]])
    if not rows:
        return
    values = ", ".join([f"({', '.join(['%s'] * (len(KEY) + len(SUMS)))})"] * len(rows))
    params: list[Any] = []
    for key, added in rows:
        params += [_prepared(name, part) for name, part in zip(KEY, key, strict=True)]
        params += added
    # Apart, so that the tables are locked in one order: whoever rebuilds them locks both, the days first.
    for statement in (
        (f"INSERT INTO {_daily()} ({COLUMNS}) VALUES {values} {_adding(_daily(), KEY, SUMS)}", params),
        # WHERE TRUE, because SQLite would take ON CONFLICT for the condition of a join.
        (
            f"INSERT INTO {_total()} ({TOTAL_COLUMNS}) WITH added ({COLUMNS}) AS (VALUES {values}) "
            f"SELECT * FROM ({totals_of('added', CUTS)}) AS totals WHERE TRUE ORDER BY {', '.join(TOTAL_KEY)} "
            f"{_adding(_total(), TOTAL_KEY, TOTAL_SUMS)}",
            params,
        ),
    ):
        together(statement)


def totals_of(source: str, cuts: Iterable[str]) -> str:
    """Return the SELECT of the rows of `UsageTotal` that daily rows make: a table or query with their columns.

    Each daily row is taken once for each cut, with what the cut does not keep blanked. (A query per cut says the same,
    and takes PostgreSQL 5 ms to plan: more than the rest of a commit.)
    """
    names = list(cuts)
    day = f"CASE WHEN cut IN ({_listed(WEEKLY)}) THEN {MONDAY[connection.vendor]} ELSE day END"
    kept = [_kept(name, [cut for cut in names if name in CUTS[cut]]) for name in KEY[1:]]
    sums = [*(f"SUM({name}) AS {name}" for name in SUMS), f"SUM({ORCHESTRATION}) AS {TOTAL_SUMS[-1]}"]
    listed = " UNION ALL ".join(f"SELECT '{name}' AS cut" for name in names)
    wanted = [
        f"(cut NOT IN ({_listed(name for name in NONE if CUTS[name][0] == none)}) OR {none} = {_blank(none)})"
        for none in sorted({columns[0] for columns in NONE.values()})
    ]
    return (
        f"SELECT cut, {day} AS day, {', '.join(kept)}, {', '.join(sums)} FROM {source} "
        f"CROSS JOIN ({listed}) AS cuts WHERE {' AND '.join(wanted)} "
        f"GROUP BY {', '.join(str(place) for place in range(1, len(TOTAL_KEY) + 1))}"
    )


def _kept(name: str, cuts: Iterable[str]) -> str:
    """Return a column of the key as a total has it: what these cuts keep and all others blank."""
    return f"CASE WHEN cut IN ({_listed(cuts)}) THEN {name} ELSE {_blank(name)} END AS {name}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "NULL"


MONDAY = {
    "postgresql": "(day - (EXTRACT(isodow FROM day)::integer - 1))",
    "sqlite": "date(day, 'weekday 0', '-6 days')",
}
"""The first day of a day's week."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuiltDay:
    """What rebuilding a day has done."""

    day: dt.date
    rows: int
    """Rows that the day has now, totals apart."""
    wrong: int
    """Rows that were missing, too many, or other than the sums of the events, totals among them."""


@transaction.atomic(durable=True)
def rollup_rebuild(*, day: dt.date, with_week: bool = True) -> RebuiltDay:
    """Replace the rows of a UTC day, and the totals of its week, by the sums of their events.

    Whoever rebuilds day after day needs the week only with its last one.

    Safe while turns commit: their last statements add to the rollups, and wait here for as long as a day takes. A
    commit that got there first is waited for, and its events are seen: every statement after the lock reads what was
    committed by then. Nothing else is locked, so there is no circle to wait in.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Readers go on. Commits come to the tables in this order too.
            cursor.execute(f"LOCK TABLE {_daily()}, {_total()} IN SHARE ROW EXCLUSIVE MODE")
        wrong = rollup_wrong_rows(day=day, with_week=with_week)
        sql, params = _summed(day, 1)
        cursor.execute(f"DELETE FROM {_daily()} WHERE day = {_date()}", [_prepared("day", day)])
        cursor.execute(f"INSERT INTO {_daily()} ({COLUMNS}) {sql}", params)
        rows = cursor.rowcount
        _totals_rebuild(cursor, day, 1, DAILY)
        if with_week:
            _totals_rebuild(cursor, monday_of(day), 7, WEEKLY)
        return RebuiltDay(day=day, rows=rows, wrong=wrong)


def _totals_rebuild(cursor: Any, first: dt.date, days: int, cuts: Iterable[str]) -> None:
    listed = _listed(cuts)
    cursor.execute(
        f"DELETE FROM {_total()} WHERE cut IN ({listed}) AND day = {_date()}", [_prepared("day", first)]
    )
    sql, params = _summed(first, days)
    cursor.execute(
        f"WITH summed ({COLUMNS}) AS ({sql}) INSERT INTO {_total()} ({TOTAL_COLUMNS}) {totals_of('summed', cuts)}",
        params,
    )


def rollup_wrong_rows(*, day: dt.date, with_week: bool = True) -> int:
    """Return how many rows of a day and of its week's totals are not the sums of the events; 0 is as it must be.

    While turns commit, ask inside a transaction that holds the lock of `rollup_rebuild`, or at a snapshot.
    """
    sql, params = _summed(day, 1)
    kept = f"SELECT {COLUMNS} FROM {_daily()} WHERE day = {_date()}"
    wrong = _differing(KEY, sql, params, kept, [_prepared("day", day)])
    wrong += _wrong_totals(day, 1, DAILY)
    return wrong + (_wrong_totals(monday_of(day), 7, WEEKLY) if with_week else 0)


def _wrong_totals(first: dt.date, days: int, cuts: Iterable[str]) -> int:
    sql, params = _summed(first, days)
    listed = _listed(cuts)
    kept = f"SELECT {TOTAL_COLUMNS} FROM {_total()} WHERE cut IN ({listed}) AND day = {_date()}"
    summed = f"WITH summed ({COLUMNS}) AS ({sql}) SELECT * FROM ({totals_of('summed', cuts)}) AS totals"
    return _differing(TOTAL_KEY, f"SELECT * FROM ({summed}) AS t", params, kept, [_prepared("day", first)])


def _differing(key: Iterable[str], sql: str, params: list[Any], kept: str, kept_params: list[Any]) -> int:
    """Return how many keys two queries do not have the same row of."""
    columns = ", ".join(key)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT COUNT(*) FROM (SELECT {columns} FROM ("
            f"SELECT * FROM (SELECT * FROM ({sql}) AS a EXCEPT {kept}) AS missing "
            f"UNION ALL SELECT * FROM (SELECT * FROM ({kept}) AS b EXCEPT {sql}) AS surplus"
            f") AS differing GROUP BY {columns}) AS keys",
            [*params, *kept_params, *kept_params, *params],
        )
        return int(cursor.fetchone()[0])


def ledger_days() -> tuple[dt.date, dt.date] | None:
    """Return the first and the last UTC day that has events or rollup rows, None for an empty ledger."""
    events = UsageEvent.objects.aggregate(first=Min("created_at"), last=Max("created_at"))
    days = [moment.astimezone(dt.UTC).date() for moment in events.values() if moment is not None]
    for rows in (DailyUsage.objects.all(), UsageTotal.objects.filter(cut="total")):
        ends = rows.aggregate(first=Min("day"), last=Max("day"))
        days += [day for day in ends.values() if day is not None]
    return (min(days), max(days)) if days else None


def _summed(first: dt.date, days: int) -> tuple[str, list[Any]]:
    """Return the SELECT of the rows of some days, all of them as of the first, computed from their events by the
    database, and its parameters.

    Raw SQL because the ORM cannot insert what it selects: a day may be many events, and none of them has to come here.
    """
    created_at: Any = UsageEvent._meta.get_field("created_at")
    start = dt.datetime.combine(first, dt.time(), tzinfo=dt.UTC)
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
        created_at.get_db_prep_value(moment, connection)
        for moment in (start, start + dt.timedelta(days=days))
    ]
    return sql, [_prepared("day", first), *moments]


def _adding(table: str, key: Iterable[str], sums: Iterable[str]) -> str:
    added = ", ".join(f"{name} = {table}.{name} + EXCLUDED.{name}" for name in sums)
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {added}"


def _daily() -> str:
    return connection.ops.quote_name(DailyUsage._meta.db_table)


def _total() -> str:
    return connection.ops.quote_name(UsageTotal._meta.db_table)


def _date() -> str:
    """Return the place of a date: PostgreSQL has to be told that it is one, SQLite keeps it as text."""
    return "%s::date" if connection.vendor == "postgresql" else "%s"


def _blank(name: str) -> str:
    """Return what stands in a column of the key that a cut does not keep."""
    if not name.endswith("_id"):
        return "''"
    return f"'{ZERO_UUID}'::uuid" if connection.vendor == "postgresql" else f"'{ZERO_UUID.hex}'"


def _prepared(name: str, value: Any) -> Any:
    """Return a part of a key as the database driver takes it."""
    field: Any = UsageTotal._meta.get_field(name)
    return field.get_db_prep_value(value, connection)
