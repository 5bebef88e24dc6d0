"""Sums over the rollups, one statement per function.

Raw SQL because a sum combines rows of whole weeks with the days around them, and because one statement returns the sums
by all groups of a page; the ORM can do neither. PostgreSQL and SQLite run the same SQL. Only our own column names are
interpolated, values are parameters.
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
from billing.models.bucket_columns import INPUT_TOKENS
from billing.models.rollup_columns import ORCHESTRATION, TOTAL_SUMS
from billing.models.rollup_cuts import FEW, is_small, smallest_daily_cut, smallest_weekly_cut
from billing.reports.filters import Filters
from billing.reports.flagged import flagged_sql
from billing.selectors.keys import COLUMNS, Key, day_of, db_value_of, fetch, key_of
from orchestration.models import LlmModel

ALL_SUMS = TOTAL_SUMS
COST = ("cost_pico",)
DAILY, TOTALS = DailyUsage._meta.db_table, UsageTotal._meta.db_table
WEEK = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Usage and cost of some calls. Whole numbers; money in pico-USD."""

    calls: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_pico: int = 0
    estimated_cost_pico: int = 0
    corrected_cost_pico: int = 0
    """What corrections of calls with a price added; negative if they cost less in the end."""
    unpriced_calls: int = 0
    orchestration_cost_pico: int = 0
    """The cost of calls other than replies: routing, evaluation, synthesis, summaries."""

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
        return sum(getattr(self, column) for column in INPUT_TOKENS)

    @property
    def cache_write_tokens(self) -> int:
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens

    @property
    def priced_cost_pico(self) -> int | None:
        """The cost, None if there are calls and none of them is priced."""
        if self.cost_pico == 0 and self.calls > 0 and self.unpriced_calls >= self.calls:
            return None
        return self.cost_pico


@dataclass(frozen=True, slots=True)
class ReportScope:
    """The usage that is summed."""

    days: DayRange
    filters: Filters
    models: Sequence[uuid.UUID] = ()
    """The models of the provider in the filters."""

    @property
    def columns(self) -> set[str]:
        """The columns that the filters need."""
        names = self.filters.having("flag", None).active()
        return {COLUMNS["model" if name == "provider" else name] for name in names}

    def over(self, days: DayRange) -> ReportScope:
        """Return a copy with other days."""
        return replace(self, days=days)


def scope_of(days: DayRange, filters: Filters) -> ReportScope:
    """Return the scope of filters, with the models of a provider, looked up once."""
    if filters.provider is None:
        return ReportScope(days, filters)
    others = LlmModel.objects.exclude(provider_id=filters.provider)
    if not UsageTotal.objects.filter(cut="model", model_id__in=others.values("pk")).exists():
        return ReportScope(days, filters.having("provider", None))  # no other provider was ever used
    models = LlmModel.objects.filter(provider_id=filters.provider).order_by("pk")
    return ReportScope(days, filters, list(models.values_list("pk", flat=True)))


def totals(scopes: Sequence[ReportScope]) -> list[Sums]:
    """Return the total of each scope."""
    selects, params = [], []
    for number, scope in enumerate(scopes):
        source = source_for(scope, ())
        selects.append(f"SELECT {number} AS scope, {sum_columns()} FROM {source.sql}")
        params += source.params
    results = {number: sums_of_row(sums) for number, *sums in fetch(" UNION ALL ".join(selects), params)}
    return [results[number] for number in range(len(scopes))]


def sums_by(scope: ReportScope, group: str) -> list[tuple[Key, Sums]]:
    """Return the sums by one group: days in order, other groups by cost."""
    source = source_for(scope, (group,))
    order = "1" if group == "day" else "cost_pico DESC, 1"
    column = COLUMNS[group]
    results = fetch(
        f"SELECT {column}, {sum_columns()} FROM {source.sql} GROUP BY {column} ORDER BY {order}",
        source.params,
    )
    return [(key_of(group, key), sums_of_row(sums)) for key, *sums in results]


def room_sums(user: User, days: DayRange) -> dict[Key, Sums]:
    """Return the sums of a person's calls by room."""
    return dict(sums_by(scope_of(days, Filters(user=user.pk)), "room"))


def breakdowns(
    scope: ReportScope, groups: Iterable[str], limits: Mapping[str, int]
) -> dict[str, list[tuple[Key, Sums]]]:
    """Return the sums by each group, ordered by cost and limited by `limits`, and the total under "".

    Groups with few values are summed directly. People, rooms and agents are many: their top keys are selected by cost
    first, and only those are summed in full.
    """
    groups = list(groups)
    many = [group for group in groups if COLUMNS[group] not in FEW]
    results: dict[str, list[tuple[Key, Sums]]] = {"": [], **{group: [] for group in groups}}
    selects, params = [], []
    for group in ("", *(group for group in groups if group not in many)):
        source, column = source_for(scope, (group,) if group else ()), COLUMNS.get(group, "''")
        limit = f"GROUP BY {column} ORDER BY cost_pico DESC, 2 LIMIT {int(limits[group])}" if group else ""
        selects.append(
            f"SELECT * FROM (SELECT '{group}' AS part, CAST({column} AS text) AS key, {sum_columns()} "
            f"FROM {source.sql} {limit}) AS by_{group or 'nothing'}"
        )
        params += source.params
    for group, keys in top_keys_by_cost(scope, many, limits).items():
        column = COLUMNS[group]
        for keys_of_kind in split_none(keys):
            source = source_for(scope, (group,), (group, keys_of_kind))
            selects.append(
                f"SELECT '{group}' AS part, CAST({column} AS text) AS key, {sum_columns()} "
                f"FROM {source.sql} GROUP BY {column}"
            )
            params += source.params
    for part, key, *row in fetch(" UNION ALL ".join(selects), params):
        results[part].append((key_of(part, key), sums_of_row(row)))
    for group in many:
        results[group].sort(key=lambda pair: (-pair[1].cost_pico, str(pair[0])))
    return results


def top_keys_by_cost(
    scope: ReportScope, groups: Sequence[str], limits: Mapping[str, int]
) -> dict[str, list[Key]]:
    """Return the keys with the highest cost of each group, limited by `limits`; omit groups without any."""
    if not groups:
        return {}
    selects, params, base = [], [], ""
    is_shared = any(smallest_daily_cut({*scope.columns, COLUMNS[group]}) is None for group in groups)
    if is_shared:
        # One of them has no small total: read the rows once, summed by all groups, instead of once per group.
        source = source_for(scope, groups, sums=COST)
        columns = ", ".join(COLUMNS[group] for group in groups)
        # Cast because PostgreSQL's sum of bigint is numeric, and summing numerics again is slow.
        base = (
            f"WITH base AS (SELECT {columns}, CAST(SUM(cost_pico) AS bigint) AS cost_pico "
            f"FROM {source.sql} GROUP BY {columns}) "
        )
        params += source.params
    for group in groups:
        source = source_for(scope, (group,), sums=COST)
        table = "base" if is_shared else source.sql
        params += [] if is_shared else source.params
        selects.append(
            f"SELECT * FROM (SELECT '{group}' AS part, {COLUMNS[group]} AS key FROM {table} "
            f"GROUP BY 2 ORDER BY SUM(cost_pico) DESC, 2 LIMIT {int(limits[group])}) AS by_{group}"
        )
    results: dict[str, list[Key]] = {}
    for part, key in fetch(base + " UNION ALL ".join(selects), params):
        results.setdefault(part, []).append(key_of(part, key))
    return results


def costs_by_day(
    scope: ReportScope, group: str, only: Sequence[Key] | None = None
) -> list[tuple[dt.date, Key | None, int]]:
    """Return (day, key, cost in pico-USD) ordered by day; keys not in `only` are summed under None."""
    if only is None:
        sql, params = costs_sql(scope, group)
        results = fetch(f"{sql} ORDER BY 1", params)
        return [(day_of(day), key_of(group, key), int(cost_pico)) for day, key, cost_pico in results]
    # The total by day, less the wanted keys: the many others are not read at all.
    source = source_for(scope, ("day",), sums=COST)
    selects, params = [f"SELECT day, NULL AS key, SUM(cost_pico) FROM {source.sql} GROUP BY 1"], source.params
    for keys_of_kind in split_none(only):
        sql, more = costs_sql(scope, group, keys_of_kind)
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


def costs_sql(scope: ReportScope, group: str, keys: Sequence[Key] | None = None) -> tuple[str, list[Any]]:
    """Return the SELECT of costs by day and group, and its parameters."""
    source = source_for(scope, ("day", group), None if keys is None else (group, keys), COST)
    return (
        f"SELECT day, {COLUMNS[group]} AS key, SUM(cost_pico) FROM {source.sql} GROUP BY 1, 2",
        source.params,
    )


def split_none(keys: Sequence[Key]) -> list[Sequence[Key]]:
    """Split the zero key from the others, since it has smaller cuts of its own (`rollup_cuts.NONE`)."""
    none, others = [key for key in keys if key == ZERO_UUID], [key for key in keys if key != ZERO_UUID]
    return [keys_of_kind for keys_of_kind in (none, others) if keys_of_kind]


@dataclass(frozen=True, slots=True)
class SumSource:
    """A subquery to select FROM, with its parameters."""

    sql: str
    params: list[Any] = field(default_factory=list)


def source_for(
    scope: ReportScope,
    groups: Iterable[str],
    only: tuple[str, Sequence[Key]] | None = None,
    sums: Sequence[str] = TOTAL_SUMS,
) -> SumSource:
    """Return the smallest source of rollup rows with the columns of the filters and of these groups, and these sums.

    `only`: a group and the keys of it to keep.
    """
    groups = sorted(groups)
    if scope.filters.flag is not None:
        return flagged_source(scope, scope.filters.flag, groups, only, sums)
    active = scope.filters.active()
    needed = scope.columns | {COLUMNS[group] for group in groups if group != "day"}
    none = {COLUMNS[name] for name, value in active.items() if value == ZERO_UUID}
    if only is not None and list(only[1]) == [ZERO_UUID]:
        none.add(COLUMNS[only[0]])
    conditions, params = conditions_of(scope, only)
    cut = smallest_daily_cut(needed, none)
    daily = (TOTALS, [f"cut = '{cut}'", *conditions]) if cut else (DAILY, conditions)
    spans = [(*daily, scope.days)]
    # Whole weeks from the weekly cut and the days around them from daily rows, unless few daily rows do for all days.
    weeks = whole_weeks(scope.days)
    if weeks and "day" not in groups and not is_small(cut):
        weekly = (TOTALS, [f"cut = '{smallest_weekly_cut(needed)}'", *conditions])
        spans = [(*weekly, weeks), *((*daily, days) for days in days_around(scope.days, weeks))]
    selects, all_params = [], []
    for table, clauses, days in spans:
        # Only `UsageTotal` has this sum as a column; daily rows derive it from their purpose.
        sum_exprs = [
            f"{ORCHESTRATION} AS {name}" if (table, name) == (DAILY, TOTAL_SUMS[-1]) else name
            for name in sums
        ]
        columns = ", ".join([*(COLUMNS[group] for group in groups), *sum_exprs])
        selects.append(
            f"SELECT {columns} FROM {table} WHERE {' AND '.join(['day BETWEEN %s AND %s', *clauses])}"
        )
        all_params += [db_value_of("day", days.first), db_value_of("day", days.last), *params]
    return SumSource(f"({' UNION ALL '.join(selects)}) AS summed", all_params)


def flagged_source(
    scope: ReportScope,
    flag: str,
    groups: Sequence[str],
    only: tuple[str, Sequence[Key]] | None,
    sums: Sequence[str],
) -> SumSource:
    """Return the flagged calls with their corrections as the source."""
    sql, params = flagged_sql(scope.days, flag)
    columns = ", ".join([*(COLUMNS[group] for group in groups), *sums])
    conditions, more = conditions_of(scope, only)
    where = " AND ".join(["1 = 1", *conditions])
    return SumSource(f"(SELECT {columns} FROM ({sql}) AS events WHERE {where}) AS summed", [*params, *more])


def whole_weeks(days: DayRange) -> DayRange | None:
    """Return the whole weeks, Monday to Sunday, of a range."""
    first = days.first + dt.timedelta(days=-days.first.weekday() % WEEK)
    last = days.last - dt.timedelta(days=(days.last.weekday() + 1) % WEEK)
    return DayRange(first, last) if first < last else None


def days_around(days: DayRange, weeks: DayRange) -> list[DayRange]:
    """Return the days of a range before and after its whole weeks."""
    day, results = dt.timedelta(days=1), []
    if days.first < weeks.first:
        results.append(DayRange(days.first, weeks.first - day))
    if weeks.last < days.last:
        results.append(DayRange(weeks.last + day, days.last))
    return results


@contextmanager
def memory_for_sums() -> Iterator[None]:
    """Let PostgreSQL sum in memory: with its default of 4 MB it sorts on disk. No parallel workers, no JIT."""
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL work_mem = '64MB'; SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0"
        )
        yield


def conditions_of(
    scope: ReportScope, only: tuple[str, Sequence[Key]] | None = None
) -> tuple[list[str], list[Any]]:
    """Return the SQL conditions of the filters and of `only`, with their parameters."""
    clauses: list[str] = []
    params: list[Any] = []
    for name, value in scope.filters.having("flag", None).active().items():
        if name == "provider":
            clauses.append(one_of("model", scope.models))
            params += [db_value_of("model", model) for model in scope.models]
        else:
            clauses.append(f"{COLUMNS[name]} = %s")
            params.append(db_value_of(name, value))
    if only is not None:
        group, keys = only
        clauses.append(one_of(group, keys))
        params += [db_value_of(group, key) for key in keys]
    return clauses, params


def one_of(group: str, keys: Sequence[Key]) -> str:
    return f"{COLUMNS[group]} IN ({', '.join(['%s'] * len(keys))})" if keys else "1 = 0"


def sum_columns() -> str:
    return ", ".join(f"COALESCE(SUM({name}), 0) AS {name}" for name in TOTAL_SUMS)


def sums_of_row(row: Sequence[Any]) -> Sums:
    """Build Sums from a row. PostgreSQL sums bigint as numeric, which arrives as Decimal."""
    return Sums(**{name: int(value) for name, value in zip(ALL_SUMS, row, strict=True)})
