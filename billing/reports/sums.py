"""Sums over the rollups, each function one statement.

Raw SQL because what a sum reads is put together from whole weeks and the days before and after them, and because the
sums by every group of a page come in one statement, which the ORM cannot say. It is the same for PostgreSQL and
SQLite. What varies in it are our own column names.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import connection, transaction

from accounts.models import User
from billing.days import DayRange
from billing.models import ZERO_UUID, DailyUsage, UsageTotal
from billing.models.rollup_columns import ORCHESTRATION, TOTAL_SUMS
from billing.models.rollup_cuts import FEW, daily_cut, is_small, weekly_cut
from billing.reports.filters import Filters
from billing.selectors.keys import COLUMNS, Key, day_of, fetch, key_of, prepared
from orchestration.models import LlmModel

ALL_SUMS = TOTAL_SUMS
COST = ("cost_pico",)
DAILY, TOTALS = DailyUsage._meta.db_table, UsageTotal._meta.db_table
WEEK = 7


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

    @classmethod
    def total(cls, rows: Iterable[Sums]) -> Sums:
        rows = list(rows)
        return cls(**{name: sum(getattr(row, name) for row in rows) for name in ALL_SUMS})

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
    """Which usage is summed."""

    days: DayRange
    filters: Filters
    models: Sequence[uuid.UUID] = ()
    """Those of the provider that the filters name."""

    @property
    def columns(self) -> set[str]:
        """The columns that the filters need."""
        return {COLUMNS["model" if name == "provider" else name] for name in self.filters.active()}

    def over(self, days: DayRange) -> Scope:
        """Return the same usage of other days."""
        return replace(self, days=days)


def scope_of(days: DayRange, filters: Filters) -> Scope:
    """Return the scope of filters; of a provider the models are looked up here, once."""
    if filters.provider is None:
        return Scope(days, filters)
    others = LlmModel.objects.exclude(provider_id=filters.provider)
    if not UsageTotal.objects.filter(cut="model", model_id__in=others.values("pk")).exists():
        return Scope(days, filters.having("provider", None))  # no other was ever used: every call is its
    models = LlmModel.objects.filter(provider_id=filters.provider).order_by("pk")
    return Scope(days, filters, list(models.values_list("pk", flat=True)))


def totals(scopes: Sequence[Scope]) -> list[Sums]:
    """Return the sums of everything in each scope."""
    selects, params = [], []
    for number, scope in enumerate(scopes):
        rows = rows_of(scope, ())
        selects.append(f"SELECT {number} AS scope, {summing()} FROM {rows.sql}")
        params += rows.params
    found = {number: sums_of_row(sums) for number, *sums in fetch(" UNION ALL ".join(selects), params)}
    return [found[number] for number in range(len(scopes))]


def grouped(scope: Scope, group: str) -> list[tuple[Key, Sums]]:
    """Return the sums of every value of a group, days in order, anything else by cost."""
    rows = rows_of(scope, (group,))
    order = "1" if group == "day" else "cost_pico DESC, 1"
    column = COLUMNS[group]
    found = fetch(
        f"SELECT {column}, {summing()} FROM {rows.sql} GROUP BY {column} ORDER BY {order}", rows.params
    )
    return [(key_of(group, key), sums_of_row(sums)) for key, *sums in found]


def room_sums(user: User, days: DayRange) -> dict[Key, Sums]:
    """Return what a person's calls in each room add up to."""
    return dict(grouped(scope_of(days, Filters(user=user.pk)), "room"))


def breakdowns(
    scope: Scope, groups: Iterable[str], limits: Mapping[str, int]
) -> dict[str, list[tuple[Key, Sums]]]:
    """Return the sums by each of several groups, by cost, at most so many of each; under "" those of everything.

    Groups of few values are summed at once. People, rooms and agents are many: first the dearest are found, by their
    cost alone, and then only these are summed.
    """
    groups = list(groups)
    many = [group for group in groups if COLUMNS[group] not in FEW]
    found: dict[str, list[tuple[Key, Sums]]] = {"": [], **{group: [] for group in groups}}
    selects, params = [], []
    for group in ("", *(group for group in groups if group not in many)):
        rows, column = rows_of(scope, (group,) if group else ()), COLUMNS.get(group, "''")
        limit = f"GROUP BY {column} ORDER BY cost_pico DESC, 2 LIMIT {int(limits[group])}" if group else ""
        selects.append(
            f"SELECT * FROM (SELECT '{group}' AS part, CAST({column} AS text) AS key, {summing()} "
            f"FROM {rows.sql} {limit}) AS by_{group or 'nothing'}"
        )
        params += rows.params
    for group, keys in dearest(scope, many, limits).items():
        column = COLUMNS[group]
        for alike in kinds(keys):
            rows = rows_of(scope, (group,), (group, alike))
            selects.append(
                f"SELECT '{group}' AS part, CAST({column} AS text) AS key, {summing()} "
                f"FROM {rows.sql} GROUP BY {column}"
            )
            params += rows.params
    for part, key, *row in fetch(" UNION ALL ".join(selects), params):
        found[part].append((key_of(part, key), sums_of_row(row)))
    for group in many:
        found[group].sort(key=lambda pair: (-pair[1].cost_pico, str(pair[0])))
    return found


def dearest(scope: Scope, groups: Sequence[str], limits: Mapping[str, int]) -> dict[str, list[Key]]:
    """Return the keys that cost most, at most so many of each group; groups without any are left out."""
    if not groups:
        return {}
    selects, params, base = [], [], ""
    together = any(daily_cut({*scope.columns, COLUMNS[group]}) is None for group in groups)
    if together:
        # No total is as small for all of them: the rows are read once, and summed by all of them first.
        rows = rows_of(scope, groups, sums=COST)
        columns = ", ".join(COLUMNS[group] for group in groups)
        # Cast, because PostgreSQL's sum of bigint is numeric, and summing that once more is slow.
        base = (
            f"WITH base AS (SELECT {columns}, CAST(SUM(cost_pico) AS bigint) AS cost_pico "
            f"FROM {rows.sql} GROUP BY {columns}) "
        )
        params += rows.params
    for group in groups:
        rows = rows_of(scope, (group,), sums=COST)
        source = "base" if together else rows.sql
        params += [] if together else rows.params
        selects.append(
            f"SELECT * FROM (SELECT '{group}' AS part, {COLUMNS[group]} AS key FROM {source} "
            f"GROUP BY 2 ORDER BY SUM(cost_pico) DESC, 2 LIMIT {int(limits[group])}) AS by_{group}"
        )
    found: dict[str, list[Key]] = {}
    for part, key in fetch(base + " UNION ALL ".join(selects), params):
        found.setdefault(part, []).append(key_of(part, key))
    return found


def costs_by_day(
    scope: Scope, group: str, only: Sequence[Key] | None = None
) -> list[tuple[dt.date, Key | None, int]]:
    """Return (day, key, cost in pico-USD) in order of days; keys other than `only` are summed under None."""
    if only is None:
        sql, params = costs_sql(scope, group)
        found = fetch(f"{sql} ORDER BY 1", params)
        return [(day_of(day), key_of(group, key), int(cost_pico)) for day, key, cost_pico in found]
    rows = rows_of(scope, ("day",), sums=COST)
    selects, params = [f"SELECT day, NULL AS key, SUM(cost_pico) FROM {rows.sql} GROUP BY 1"], rows.params
    for alike in kinds(only):
        sql, more = costs_sql(scope, group, alike)
        selects.append(sql)
        params = [*params, *more]
    costs: dict[tuple[dt.date, Key | None], int] = {}
    for text, key, cost_pico in fetch(" UNION ALL ".join(selects), params):
        day = day_of(text)
        if key is not None:
            costs[day, key_of(group, key)] = int(cost_pico)
        costs[day, None] = costs.get((day, None), 0) + (int(cost_pico) if key is None else -int(cost_pico))
    ordered = sorted(costs.items(), key=lambda item: item[0][0])
    return [(day, key, cost) for (day, key), cost in ordered]


def costs_sql(scope: Scope, group: str, keys: Sequence[Key] | None = None) -> tuple[str, list[Any]]:
    """Return the SELECT of the costs by day and group, and its parameters."""
    rows = rows_of(scope, ("day", group), None if keys is None else (group, keys), COST)
    return f"SELECT day, {COLUMNS[group]} AS key, SUM(cost_pico) FROM {rows.sql} GROUP BY 1, 2", rows.params


def kinds(keys: Sequence[Key]) -> list[Sequence[Key]]:
    """Return keys with "none" apart from the others: it is not found where they are found fastest."""
    none, others = [key for key in keys if key == ZERO_UUID], [key for key in keys if key != ZERO_UUID]
    return [alike for alike in (none, others) if alike]


@dataclass(frozen=True, slots=True)
class Rows:
    """What a sum reads: something to select FROM, with its parameters."""

    sql: str
    params: list[Any] = field(default_factory=list)


def rows_of(
    scope: Scope,
    groups: Iterable[str],
    only: tuple[str, Sequence[Key]] | None = None,
    sums: Sequence[str] = TOTAL_SUMS,
) -> Rows:
    """Return the fewest rows of the rollups that have the columns of the filters and of these groups, and some sums.

    By days where a total keeps these columns and is small, or the group is the day; otherwise the weeks that are
    whole, and the other days. `only`: a group and the keys to keep of it.
    """
    groups = sorted(groups)
    active = scope.filters.active()
    needed = scope.columns | {COLUMNS[group] for group in groups if group != "day"}
    none = {COLUMNS[name] for name, value in active.items() if value == ZERO_UUID}
    if only is not None and list(only[1]) == [ZERO_UUID]:
        none.add(COLUMNS[only[0]])
    conditions, params = condition(scope, only)
    cut = daily_cut(needed, none)
    daily = (TOTALS, [f"cut = '{cut}'", *conditions]) if cut else (DAILY, conditions)
    spans = [(*daily, scope.days)]
    weeks = whole_weeks(scope.days)
    if weeks and "day" not in groups and not is_small(cut):
        weekly = (TOTALS, [f"cut = '{weekly_cut(needed)}'", *conditions])
        spans = [(*weekly, weeks), *((*daily, days) for days in around(scope.days, weeks))]
    selects, all_params = [], []
    for table, kept, days in spans:
        read = [
            f"{ORCHESTRATION} AS {name}" if (table, name) == (DAILY, TOTAL_SUMS[-1]) else name
            for name in sums
        ]
        columns = ", ".join([*(COLUMNS[group] for group in groups), *read])
        selects.append(
            f"SELECT {columns} FROM {table} WHERE {' AND '.join(['day BETWEEN %s AND %s', *kept])}"
        )
        all_params += [prepared("day", days.first), prepared("day", days.last), *params]
    return Rows(f"({' UNION ALL '.join(selects)}) AS summed", all_params)


def whole_weeks(days: DayRange) -> DayRange | None:
    """Return the weeks, Monday to Sunday, that lie in the range."""
    first = days.first + dt.timedelta(days=-days.first.weekday() % WEEK)
    last = days.last - dt.timedelta(days=(days.last.weekday() + 1) % WEEK)
    return DayRange(first, last) if first < last else None


def around(days: DayRange, weeks: DayRange) -> list[DayRange]:
    """Return the days of a range before and after its whole weeks."""
    day, found = dt.timedelta(days=1), []
    if days.first < weeks.first:
        found.append(DayRange(days.first, weeks.first - day))
    if weeks.last < days.last:
        found.append(DayRange(weeks.last + day, days.last))
    return found


@contextmanager
def memory_for_sums() -> Iterator[None]:
    """Let PostgreSQL sum in memory (its default of 4 MB makes it sort on disk), by one process, nothing compiled."""
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL work_mem = '64MB'; SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0"
        )
        yield


def condition(scope: Scope, only: tuple[str, Sequence[Key]] | None = None) -> tuple[list[str], list[Any]]:
    """Return the conditions of the filters, and of the keys to keep of a group, with their parameters."""
    clauses: list[str] = []
    params: list[Any] = []
    for name, value in scope.filters.active().items():
        if name == "provider":
            clauses.append(one_of("model", scope.models))
            params += [prepared("model", model) for model in scope.models]
        else:
            clauses.append(f"{COLUMNS[name]} = %s")
            params.append(prepared(name, value))
    if only is not None:
        group, keys = only
        clauses.append(one_of(group, keys))
        params += [prepared(group, key) for key in keys]
    return clauses, params


def one_of(group: str, keys: Sequence[Key]) -> str:
    return f"{COLUMNS[group]} IN ({', '.join(['%s'] * len(keys))})" if keys else "1 = 0"


def summing() -> str:
    return ", ".join(f"COALESCE(SUM({name}), 0) AS {name}" for name in TOTAL_SUMS)


def sums_of_row(row: Sequence[Any]) -> Sums:
    """PostgreSQL sums whole numbers as numeric, which arrives as Decimal without a fraction."""
    return Sums(**{name: int(value) for name, value in zip(ALL_SUMS, row, strict=True)})
