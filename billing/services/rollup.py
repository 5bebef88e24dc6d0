"""The rollups: sums that every commit adds to, so that reports never read the events.

An event counts as one call with its tokens and its cost, or as an unpriced call. A correction does not count as a call:
it adds the cost of the call it prices and subtracts the unpriced call, or adds the difference to a cost that the call
had before. So a row is the plain sum of its events: in `DailyUsage` by every column that reports group by, in
`UsageTotal` by fewer, or by week (`billing.models.rollup_cuts`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Min

from billing.days import monday_of
from billing.fields import added_sql
from billing.models import ZERO_UUID, DailyUsage, UsageEvent, UsageTotal
from billing.models.bucket_columns import TOKENS
from billing.models.rollup_columns import (
    COLUMNS,
    EVENT_VALUES,
    KEY,
    ORCHESTRATION,
    SUMS,
    TOTAL_COLUMNS,
    TOTAL_KEY,
    TOTAL_SUMS,
)
from billing.models.rollup_cuts import CUTS, DAILY, NONE, WEEKLY
from web.database.compiled import together


def sums_of(events: Iterable[UsageEvent]) -> dict[tuple[Any, ...], list[int]]:
    """Return rollup key -> sums, in the order of KEY and SUMS."""
    rows: dict[tuple[Any, ...], list[int]] = {}
    for event in events:
        day = event.created_at.astimezone(dt.UTC).date()
        key = (day, *(getattr(event, name) for name in KEY[1:]))
        cost = event.cost_pico or 0
        estimated = cost if event.source == UsageEvent.Source.ESTIMATED else 0
        is_call, had_cost = event.corrects_id is None, event.cost_before_pico is not None
        # The correction of an unpriced call takes it off their number: -1.
        unpriced = int(event.cost_pico is None) if is_call else int(had_cost) - 1
        corrected = cost if had_cost else 0
        tokens = (getattr(event, name) for name in TOKENS)
        values = [int(is_call), *tokens, cost, estimated, corrected, unpriced]
        rows[key] = [old + new for old, new in zip(rows.get(key, [0] * len(SUMS)), values, strict=True)]
    return rows


def rollup_add(events: Iterable[UsageEvent]) -> None:
    """Add events to their days' rows and to the totals (inside a transaction)."""
    sums_add(sums_of(events))


def sums_add(sums: dict[tuple[Any, ...], list[int]]) -> None:
    """Add sums by rollup key to the rollups (inside a transaction).

    Raw SQL because the ORM's upsert can only replace, not add.
    """
    # Sorted so that two commits that add to the same rows lock them in one order: otherwise they deadlock.
    rows = sorted(sums.items(), key=lambda item: [str(part) for part in item[0]])
    if not rows:
        return
    values = ", ".join([f"({', '.join(['%s'] * (len(KEY) + len(SUMS)))})"] * len(rows))
    params: list[Any] = []
    for key, values_added in rows:
        params += [_db_value(name, part) for name, part in zip(KEY, key, strict=True)]
        params += values_added
    # Two statements, daily rows first: `rollup_rebuild` locks the tables in this order too.
    for statement in (
        (f"INSERT INTO {_daily()} ({COLUMNS}) VALUES {values} {_upsert(_daily(), KEY, SUMS)}", params),
        # WHERE TRUE, because SQLite would parse ON CONFLICT as the ON of a join. ORDER BY is the order of the locks.
        (
            f"INSERT INTO {_total()} ({TOTAL_COLUMNS}) WITH added ({COLUMNS}) AS (VALUES {values}) "
            f"SELECT * FROM ({totals_of('added', CUTS)}) AS totals WHERE TRUE ORDER BY {', '.join(TOTAL_KEY)} "
            f"{_upsert(_total(), TOTAL_KEY, TOTAL_SUMS)}",
            params,
        ),
    ):
        together(statement)


def totals_of(source: str, cuts: Iterable[str]) -> str:
    """Return the SELECT of the `UsageTotal` rows for some cuts of `source`, a table or query with daily columns."""
    # One cross join with the cuts: a UNION of one query per cut takes PostgreSQL 5 ms to plan, longer than a commit.
    names = list(cuts)
    day = f"CASE WHEN cut IN ({_quoted_list(WEEKLY)}) THEN {MONDAY[connection.vendor]} ELSE day END"
    key_columns = [_key_column(name, [cut for cut in names if name in CUTS[cut]]) for name in KEY[1:]]
    sums = [*(f"SUM({name}) AS {name}" for name in SUMS), f"SUM({ORCHESTRATION}) AS {TOTAL_SUMS[-1]}"]
    cuts_sql = " UNION ALL ".join(f"SELECT '{name}' AS cut" for name in names)
    # A cut of NONE sums only the rows whose first column is none.
    conditions = [
        f"(cut NOT IN ({_quoted_list(name for name in NONE if CUTS[name][0] == none)}) OR {none} = {_blank(none)})"
        for none in sorted({columns[0] for columns in NONE.values()})
    ]
    return (
        f"SELECT cut, {day} AS day, {', '.join(key_columns)}, {', '.join(sums)} FROM {source} "
        f"CROSS JOIN ({cuts_sql}) AS cuts WHERE {' AND '.join(conditions)} "
        f"GROUP BY {', '.join(str(place) for place in range(1, len(TOTAL_KEY) + 1))}"
    )


def _key_column(name: str, cuts: Iterable[str]) -> str:
    """Return a key column of a total: kept in these cuts, blank in all others."""
    return f"CASE WHEN cut IN ({_quoted_list(cuts)}) THEN {name} ELSE {_blank(name)} END AS {name}"


def _quoted_list(names: Iterable[str]) -> str:
    # IN () is a syntax error; IN (NULL) matches nothing.
    return ", ".join(f"'{name}'" for name in names) or "NULL"


MONDAY = {
    "postgresql": "(day - (EXTRACT(isodow FROM day)::integer - 1))",
    "sqlite": "date(day, 'weekday 0', '-6 days')",
}
"""SQL of the first day of a day's week. SQLite's `weekday 0` is the next Sunday, or the day itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuiltDay:
    """The outcome of rebuilding a day."""

    day: dt.date
    rows: int
    """Daily rows of the day now, without totals."""
    wrong: int
    """Rows that were missing, surplus or different from the sums of the events, including totals."""


@transaction.atomic(durable=True)
def rollup_rebuild(*, day: dt.date, with_week: bool = True) -> RebuiltDay:
    """Replace the rows of a UTC day, and the totals of its week, by the sums of their events.

    When rebuilding several days, rebuild the week with its last day.

    Safe while turns commit: their last statements add to the rollups, and wait for this transaction. A commit that came
    first is waited for, and its events are seen, since every statement after the lock reads what was committed by then.
    Nothing else is locked, so this cannot deadlock.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # SQLite has one writer at a time
            # This mode does not block readers. Commits lock the tables in this order too.
            cursor.execute(f"LOCK TABLE {_daily()}, {_total()} IN SHARE ROW EXCLUSIVE MODE")
        wrong = rollup_wrong_rows(day=day, with_week=with_week)
        sql, params = _event_sums(day, 1)
        cursor.execute(f"DELETE FROM {_daily()} WHERE day = {_date()}", [_db_value("day", day)])
        cursor.execute(f"INSERT INTO {_daily()} ({COLUMNS}) {sql}", params)
        rows = cursor.rowcount
        _totals_rebuild(cursor, day, 1, DAILY)
        if with_week:
            _totals_rebuild(cursor, monday_of(day), 7, WEEKLY)
        return RebuiltDay(day=day, rows=rows, wrong=wrong)


def _totals_rebuild(cursor: Any, first: dt.date, days: int, cuts: Iterable[str]) -> None:
    cuts_sql = _quoted_list(cuts)
    cursor.execute(
        f"DELETE FROM {_total()} WHERE cut IN ({cuts_sql}) AND day = {_date()}", [_db_value("day", first)]
    )
    sql, params = _event_sums(first, days)
    cursor.execute(
        f"WITH summed ({COLUMNS}) AS ({sql}) INSERT INTO {_total()} ({TOTAL_COLUMNS}) {totals_of('summed', cuts)}",
        params,
    )


def rollup_wrong_rows(*, day: dt.date, with_week: bool = True) -> int:
    """Count the rows of a day and of its week's totals that differ from the sums of the events; 0 means consistent.

    While turns commit, call it in a transaction that holds the lock of `rollup_rebuild`, or in a snapshot.
    """
    sql, params = _event_sums(day, 1)
    stored = f"SELECT {COLUMNS} FROM {_daily()} WHERE day = {_date()}"
    wrong = _count_different(KEY, sql, params, stored, [_db_value("day", day)])
    wrong += _wrong_totals(day, 1, DAILY)
    return wrong + (_wrong_totals(monday_of(day), 7, WEEKLY) if with_week else 0)


def _wrong_totals(first: dt.date, days: int, cuts: Iterable[str]) -> int:
    sql, params = _event_sums(first, days)
    cuts_sql = _quoted_list(cuts)
    stored = f"SELECT {TOTAL_COLUMNS} FROM {_total()} WHERE cut IN ({cuts_sql}) AND day = {_date()}"
    recomputed = f"WITH summed ({COLUMNS}) AS ({sql}) SELECT * FROM ({totals_of('summed', cuts)}) AS totals"
    return _count_different(
        TOTAL_KEY, f"SELECT * FROM ({recomputed}) AS t", params, stored, [_db_value("day", first)]
    )


def _count_different(
    key: Iterable[str], sql: str, params: list[Any], stored: str, stored_params: list[Any]
) -> int:
    """Return for how many keys the rows of two queries differ."""
    columns = ", ".join(key)
    # In both directions, since EXCEPT finds only rows of its left side; by key, since a wrong row is on both sides.
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT COUNT(*) FROM (SELECT {columns} FROM ("
            f"SELECT * FROM (SELECT * FROM ({sql}) AS a EXCEPT {stored}) AS missing "
            f"UNION ALL SELECT * FROM (SELECT * FROM ({stored}) AS b EXCEPT {sql}) AS surplus"
            f") AS differing GROUP BY {columns}) AS keys",
            [*params, *stored_params, *stored_params, *params],
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


def _event_sums(first: dt.date, days: int) -> tuple[str, list[Any]]:
    """Return the SELECT that sums the events of some days into rollup rows dated on the first, and its parameters.

    Raw SQL because the ORM has no INSERT ... SELECT, and a day may have too many events to load.
    """
    created_at: Any = UsageEvent._meta.get_field("created_at")
    start = dt.datetime.combine(first, dt.time(), tzinfo=dt.UTC)
    sums = ", ".join(f"SUM({EVENT_VALUES[name]})" for name in SUMS)
    events = connection.ops.quote_name(UsageEvent._meta.db_table)
    sql = (
        f"SELECT {_date()} AS day, {', '.join(KEY[1:])}, {sums} FROM {events} "
        f"WHERE created_at >= %s AND created_at < %s GROUP BY {', '.join(KEY[1:])}"
    )
    moments = [
        created_at.get_db_prep_value(moment, connection)
        for moment in (start, start + dt.timedelta(days=days))
    ]
    return sql, [_db_value("day", first), *moments]


def _upsert(table: str, key: Iterable[str], sums: Iterable[str]) -> str:
    updates = ", ".join(f"{name} = {added_sql(table, name)}" for name in sums)
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {updates}"


def _daily() -> str:
    return connection.ops.quote_name(DailyUsage._meta.db_table)


def _total() -> str:
    return connection.ops.quote_name(UsageTotal._meta.db_table)


def _date() -> str:
    """Return the placeholder of a date: PostgreSQL needs a cast in a SELECT list, SQLite keeps dates as text."""
    return "%s::date" if connection.vendor == "postgresql" else "%s"


def _blank(name: str) -> str:
    """Return the value of a key column that a cut does not keep."""
    if not name.endswith("_id"):
        return "''"
    return f"'{ZERO_UUID}'::uuid" if connection.vendor == "postgresql" else f"'{ZERO_UUID.hex}'"


def _db_value(name: str, value: Any) -> Any:
    """Convert a part of a key for the database driver."""
    field: Any = UsageTotal._meta.get_field(name)
    return field.get_db_prep_value(value, connection)
