"""Figures of the dashboard, of the usage API and of a person's own usage, from the rollups only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TypedDict

from billing.days import DayRange, month_of
from billing.reports.filters import Filters
from billing.reports.sums import (
    ReportScope,
    Sums,
    breakdowns,
    costs_by_day,
    memory_for_sums,
    scope_of,
    sums_by,
    totals,
)
from billing.selectors.keys import Key
from billing.selectors.labels import Labels, labels_for
from orchestration.models import LlmModel

GROUPS = ("day", "team", "user", "model", "provider", "room", "agent", "mode", "purpose")
TABLES = ("team", "user", "model", "room", "agent", "purpose")
"""The tables that the dashboard always shows."""

FEW, MANY = 10, 100
"""Rows of a table: MANY in the requested group, FEW in the others."""

MAX_SERIES = 7
"""Keys with a chart series of their own; the others share one."""

NO_LIMIT = 1_000_000
"""A limit that no group reaches: all models are read, since providers are summed from them."""


@dataclass(frozen=True, slots=True)
class TableRow:
    group: str
    key: Key
    label: str
    sums: Sums


@dataclass(frozen=True, slots=True)
class Table:
    """Sums by one group. `rest` sums the rows not shown, so that the table adds up to the total."""

    group: str
    rows: Sequence[TableRow]
    rest: Sums | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """The cost of one key on each day of the range, in pico-USD."""

    label: str
    costs: Sequence[int]
    is_rest: bool = False


@dataclass(frozen=True, slots=True)
class Projection:
    """The month's cost at the current daily average: cost so far / days so far x days of the month."""

    month: DayRange
    so_far: DayRange
    cost_pico: int

    @property
    def projected_pico(self) -> int:
        """Rounded to the nearest pico-USD."""
        return (2 * self.cost_pico * self.month.length + self.so_far.length) // (2 * self.so_far.length)


@dataclass(frozen=True, slots=True)
class UsageSummary:
    """Figures of a range by one group, with the totals of the range before."""

    days: DayRange
    filters: Filters
    group: str
    totals: Sums
    table: Table
    before: Sums
    projection: Projection


@dataclass(frozen=True, slots=True)
class Dashboard:
    """All figures of the dashboard."""

    days: DayRange
    filters: Filters
    group: str
    totals: Sums
    before: Sums
    projection: Projection
    tables: Sequence[Table]
    stacked_by: str
    series: Sequence[Series]


@memory_for_sums()
def summary(days: DayRange, filters: Filters, group: str, *, today: dt.date) -> UsageSummary:
    """Return all rows of one group, and the totals."""
    scope = scope_of(days, filters)
    pairs = rows_by_provider(sums_by(scope, "model")) if group == "provider" else sums_by(scope, group)
    labels = labels_for({group: [key for key, _ in pairs]})
    return UsageSummary(
        days=days,
        filters=filters,
        group=group,
        totals=Sums.total(sums for _, sums in pairs),
        table=Table(group, labelled_rows(group, pairs, labels)),
        **before_and_month(scope, today),
    )


@memory_for_sums()
def dashboard(
    days: DayRange, filters: Filters, group: str, *, today: dt.date, tables: Sequence[str] = TABLES
) -> Dashboard:
    """Return figures, chart and tables, in a number of queries that does not depend on the rows."""
    scope = scope_of(days, filters)
    limits = {name: NO_LIMIT if name == "model" else FEW + 1 for name in (*TABLES, "mode")}
    if group in limits and group != "model":
        limits[group] = MANY + 1
    columns = list(dict.fromkeys([*tables, *([group] if group in limits else []), "model"]))
    by_group = breakdowns(scope, columns, limits)
    total = by_group[""][0][1]
    stacked_by = "model" if group == "day" else group
    if group == "provider":
        by_group["provider"] = rows_by_provider(by_group["model"])
    if group == "day":
        by_group["day"] = sums_by(scope, "day")
    wanted = list(dict.fromkeys([group, *tables]))
    row_limits = {group: MANY, "day": len(days.days)}
    shown = {name: by_group[name][: row_limits.get(name, FEW)] for name in wanted}
    top = [key for key, sums in by_group[stacked_by][:MAX_SERIES] if sums.cost_pico]
    keys_shown = {name: [key for key, _ in pairs] for name, pairs in shown.items()}
    labels = labels_for({**keys_shown, stacked_by: [*keys_shown.get(stacked_by, []), *top]})
    return Dashboard(
        days=days,
        filters=filters,
        group=group,
        totals=total,
        tables=[table_of(name, shown[name], len(by_group[name]), total, labels) for name in wanted],
        stacked_by=stacked_by,
        series=series_of(scope, stacked_by, top, labels),
        **before_and_month(scope, today),
    )


def table_of(
    group: str, pairs: Sequence[tuple[Key, Sums]], count: int, totals: Sums, labels: Labels
) -> Table:
    rest = None
    if count > len(pairs):
        rest = totals - Sums.total(sums for _, sums in pairs)
    return Table(group, labelled_rows(group, pairs, labels), rest)


def labelled_rows(group: str, pairs: Iterable[tuple[Key, Sums]], labels: Labels) -> list[TableRow]:
    return [TableRow(group, key, labels[group, key], sums) for key, sums in pairs]


def rows_by_provider(by_model: Sequence[tuple[Key, Sums]]) -> list[tuple[Key, Sums]]:
    """Sum rows by model into rows by provider, ordered by cost."""
    providers = provider_ids()
    by_provider: dict[Key, Sums] = {}
    for model, sums in by_model:
        by_provider[providers[model]] = by_provider.get(providers[model], Sums()) + sums
    return sorted(by_provider.items(), key=lambda pair: (-pair[1].cost_pico, str(pair[0])))


def provider_ids() -> Mapping[Key, Key]:
    return dict(LlmModel.objects.values_list("pk", "provider_id"))


def series_of(scope: ReportScope, group: str, top: Sequence[Key], labels: Labels) -> list[Series]:
    """Return the daily costs of the top keys, and of all others together."""
    if group == "provider":
        providers = provider_ids()
        costs_of_days = [
            (day, providers[key] if key is not None else None, cost)
            for day, key, cost in costs_by_day(scope, "model")
        ]
    else:
        costs_of_days = costs_by_day(scope, group, top)
    costs: dict[Key | None, dict[dt.date, int]] = {}
    for day, key, cost in costs_of_days:
        by_day = costs.setdefault(key if key in top else None, {})
        by_day[day] = by_day.get(day, 0) + cost
    series = [Series(labels[group, key], [costs[key].get(day, 0) for day in scope.days.days]) for key in top]
    others = [costs.get(None, {}).get(day, 0) for day in scope.days.days]
    return [*series, Series("Other", others, is_rest=True)] if any(others) else series


class BeforeAndMonth(TypedDict):
    before: Sums
    projection: Projection


def before_and_month(scope: ReportScope, today: dt.date) -> BeforeAndMonth:
    """Return the totals of the range before, and the projection of today's month."""
    month = month_of(today)
    so_far = DayRange(month.first, today)
    before, spent = totals([scope.over(scope.days.before()), scope.over(so_far)])
    return BeforeAndMonth(before=before, projection=Projection(month, so_far, spent.cost_pico))


@dataclass(frozen=True, slots=True)
class Chargeback:
    """Each team's cost in each month: months newest first, teams by name, amounts in pico-USD."""

    months: Sequence[DayRange]
    rows: Sequence[tuple[Key, str, Sequence[int]]]
    totals: Sequence[int]


@memory_for_sums()
def chargeback(today: dt.date, months: int) -> Chargeback:
    """Return every team's cost in the last months, the current one to date."""
    spans = [month_of(today)]
    while len(spans) < months:
        spans.append(month_of(spans[-1].first - dt.timedelta(days=1)))
    scope = scope_of(DayRange(spans[-1].first, today), Filters())
    costs: dict[Key, list[int]] = {}
    for day, team, cost in costs_by_day(scope, "team"):
        assert team is not None
        place = (today.year - day.year) * 12 + today.month - day.month
        costs.setdefault(team, [0] * months)[place] += cost
    labels = labels_for({"team": list(costs)})
    rows = sorted(
        ((team, labels["team", team], of_team) for team, of_team in costs.items()),
        key=lambda row: (row[1].lower(), str(row[0])),
    )
    return Chargeback(
        spans, rows, [sum(of_month) for of_month in zip(*costs.values(), strict=True)] or [0] * months
    )


def share(part: int, whole: int) -> Decimal | None:
    """Return part / whole to four places, None if whole is 0."""
    if whole == 0:
        return None
    return (Decimal(part) / Decimal(whole)).quantize(Decimal("0.0001"), ROUND_HALF_EVEN)
