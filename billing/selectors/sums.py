"""Sums over the daily rollup, each function one statement.

Raw SQL because the sums by every group of a page are taken from one pass over the days, which the ORM cannot say.
It is the same for PostgreSQL and SQLite. What varies in it are our own column names.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from billing.models import DailyUsage
from billing.ranges import DayRange
from billing.selectors.filters import Filters
from billing.services.rollup import SUMS
from orchestration.models import LlmModel

COLUMNS = {
    "day": "day",
    "team": "team_id",
    "user": "user_id",
    "room": "room_id",
    "agent": "agent_id",
    "model": "model_id",
    "purpose": "purpose",
    "mode": "mode",
}
"""The groups that are columns of the rollup."""

KEYS = tuple(name for name in COLUMNS if name != "day")
ORCHESTRATION = "CASE WHEN purpose <> 'reply' THEN cost_pico ELSE 0 END"
ALL_SUMS = (*SUMS, "orchestration_cost_pico")
TABLE = DailyUsage._meta.db_table

Key = uuid.UUID | str | dt.date


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What some calls used and cost. Whole numbers; money in pico-USD."""

    calls: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_pico: int = 0
    estimated_cost_pico: int = 0
    unpriced_calls: int = 0
    orchestration_cost_pico: int = 0
    """What the calls other than replies cost: routing, evaluation, synthesis, summaries."""

    def __add__(self, other: Sums) -> Sums:
        return Sums(**{name: getattr(self, name) + getattr(other, name) for name in ALL_SUMS})

    def __sub__(self, other: Sums) -> Sums:
        return Sums(**{name: getattr(self, name) - getattr(other, name) for name in ALL_SUMS})

    @property
    def total_input(self) -> int:
        """The providers' total of input tokens."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens

    @property
    def cache_write_tokens(self) -> int:
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens

    @property
    def priced_cost_pico(self) -> int | None:
        """The cost, None where there are calls and not one of them is priced."""
        if self.cost_pico == 0 and self.calls > 0 and self.unpriced_calls >= self.calls:
            return None
        return self.cost_pico


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows of the rollup are summed."""

    days: DayRange
    filters: Filters


def total(scope: Scope) -> Sums:
    """Return the sums of everything in the scope."""
    where, params = condition(scope)
    rows = fetch(
        f"SELECT {summing(SUMS)}, COALESCE(SUM({ORCHESTRATION}), 0) FROM {TABLE} WHERE {where}", params
    )
    return sums_of_row(rows[0])


def grouped(scope: Scope, group: str) -> list[tuple[Key, Sums]]:
    """Return the sums of every value of a group, days in order, anything else by cost."""
    where, params = condition(scope)
    column = COLUMNS[group]
    order = "1" if group == "day" else "cost_pico DESC, 1"
    rows = fetch(
        f"SELECT {column}, {summing(SUMS, named=True)}, COALESCE(SUM({ORCHESTRATION}), 0) "
        f"FROM {TABLE} WHERE {where} GROUP BY {column} ORDER BY {order}",
        params,
    )
    return [(key_of(group, key), sums_of_row(sums)) for key, *sums in rows]


def breakdowns(
    scope: Scope, groups: Iterable[str], limits: dict[str, int]
) -> dict[str, list[tuple[Key, Sums]]]:
    """Return the sums by each of several groups, by cost, at most so many of each; under "" those of everything.

    The days are read once: they are first summed by everything but the day, then by each group.
    """
    where, params = condition(scope)
    keys = ", ".join(COLUMNS[name] for name in KEYS)
    # Cast, because PostgreSQL's sum of bigint is numeric, and summing that once more by every group is slow.
    within = ", ".join(f"CAST(SUM({name}) AS bigint) AS {name}" for name in SUMS)
    base = f"SELECT {keys}, {within} FROM {TABLE} WHERE {where} GROUP BY {keys}"
    sums = f"{summing(SUMS, named=True)}, COALESCE(SUM({ORCHESTRATION}), 0) AS orchestration_cost_pico"
    parts = [f"SELECT '' AS part, '' AS key, {sums} FROM base"]
    for group in groups:
        column = COLUMNS[group]
        parts.append(
            f"SELECT * FROM (SELECT '{group}' AS part, CAST({column} AS text) AS key, {sums} FROM base "
            f"GROUP BY {column} ORDER BY cost_pico DESC, 2 LIMIT {int(limits[group])}) AS by_{group}"
        )
    found: dict[str, list[tuple[Key, Sums]]] = {"": [], **{group: [] for group in groups}}
    for part, key, *row in fetch(f"WITH base AS ({base}) {' UNION ALL '.join(parts)}", params):
        found[part].append((key_of(part, key), sums_of_row(row)))
    return found


def costs_by_day(
    scope: Scope, group: str, only: Sequence[Key] | None = None
) -> list[tuple[dt.date, Key | None, int]]:
    """Return (day, key, cost in pico-USD) in order of days; keys other than `only` are summed under None."""
    where, params = condition(scope)
    column = COLUMNS[group]
    shown = column
    shown_params: list[Any] = []
    if only is not None:
        listed, shown_params = one_of(group, only)
        shown = f"CASE WHEN {listed} THEN {column} END"
    rows = fetch(
        f"SELECT day, {shown} AS shown, SUM(cost_pico) FROM {TABLE} WHERE {where} GROUP BY 1, 2 ORDER BY 1",
        [*shown_params, *params],
    )
    return [
        (day_of(day), None if key is None else key_of(group, key), int(cost_pico))
        for day, key, cost_pico in rows
    ]


@contextmanager
def memory_for_sums() -> Iterator[None]:
    """Let PostgreSQL sum in memory (its default of 4 MB makes it sort on disk), and compile nothing for so little."""
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '64MB'; SET LOCAL jit = off")
        yield


def condition(scope: Scope) -> tuple[str, list[Any]]:
    """Return the WHERE clause of a scope and its parameters."""
    clauses = ["day BETWEEN %s AND %s"]
    params: list[Any] = [prepared("day", scope.days.first), prepared("day", scope.days.last)]
    for name, value in scope.filters.active().items():
        if name == "provider":
            field: Any = LlmModel._meta.get_field("provider")
            clauses.append(f"model_id IN (SELECT id FROM {LlmModel._meta.db_table} WHERE provider_id = %s)")
            params.append(field.get_db_prep_value(value, connection))
        else:
            clauses.append(f"{COLUMNS[name]} = %s")
            params.append(prepared(name, value))
    return " AND ".join(clauses), params


def one_of(group: str, keys: Sequence[Key]) -> tuple[str, list[Any]]:
    if not keys:
        return "1 = 0", []
    places = ", ".join(["%s"] * len(keys))
    return f"{COLUMNS[group]} IN ({places})", [prepared(group, key) for key in keys]


def prepared(group: str, value: Any) -> Any:
    """Return a value as the database driver takes it for this column."""
    field: Any = DailyUsage._meta.get_field(group if group == "model" else COLUMNS[group])
    return field.get_db_prep_value(value, connection)


def key_of(group: str, value: Any) -> Key:
    """Return a key as Python knows it: SQLite gives UUIDs and days as text."""
    if group == "day":
        return day_of(value)
    if COLUMNS.get(group, "").endswith("_id"):
        return value if isinstance(value, uuid.UUID) else uuid.UUID(value)
    return str(value)


def day_of(value: Any) -> dt.date:
    return value if isinstance(value, dt.date) else dt.date.fromisoformat(value)


def summing(names: Iterable[str], *, named: bool = False) -> str:
    return ", ".join(f"COALESCE(SUM({name}), 0)" + (f" AS {name}" if named else "") for name in names)


def sums_of_row(row: Sequence[Any]) -> Sums:
    """PostgreSQL sums whole numbers as numeric, which arrives as Decimal without a fraction."""
    return Sums(**{name: int(value) for name, value in zip(ALL_SUMS, row, strict=True)})


def fetch(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()
