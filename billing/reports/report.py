"""The figures of the dashboard, of its API twin, and of a person's own usage. They read the rollups only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TypedDict

from billing.days import DayRange, month_of
from billing.reports.filters import Filters
from billing.reports.sums import (
    Scope,
    Sums,
    breakdowns,
    costs_by_day,
    grouped,
    memory_for_sums,
    scope_of,
    totals,
)
from billing.selectors.keys import Key
from billing.selectors.labels import Labels, labels_for
from orchestration.models import LlmModel

GROUPS = ("day", "team", "user", "model", "provider", "room", "agent", "mode", "purpose")
TABLES = ("team", "user", "model", "room", "agent", "purpose")
"""The tables that the dashboard always has."""

FEW, MANY = 10, 100
"""Rows of a table; the table of the group that was asked for shows MANY."""

STACKED = 7
"""Groups that a chart tells apart; the rest is one more."""

WHOLE = 1_000_000
"""More rows than a group can have: the catalogue is read whole, for its providers are summed from it."""


@dataclass(frozen=True, slots=True)
class Row:
    group: str
    key: Key
    label: str
    sums: Sums


@dataclass(frozen=True, slots=True)
class Table:
    """The sums by one group; `rest` are those of the rows that are not shown, so that a table sums to the total."""

    group: str
    rows: Sequence[Row]
    rest: Sums | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """What one group cost on each day of the range, in pico-USD."""

    label: str
    costs: Sequence[int]
    is_rest: bool = False


@dataclass(frozen=True, slots=True)
class Projection:
    """What the month will have cost if it goes on like this: the cost so far / days so far x days of the month."""

    month: DayRange
    so_far: DayRange
    cost_pico: int

    @property
    def projected_pico(self) -> int:
        """Rounded to the nearest pico-USD."""
        return (2 * self.cost_pico * self.month.length + self.so_far.length) // (2 * self.so_far.length)


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a range by one group, with those of the range before."""

    days: DayRange
    filters: Filters
    group: str
    totals: Sums
    table: Table
    before: Sums
    projection: Projection


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Everything that the page shows."""

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
def summary(days: DayRange, filters: Filters, group: str, *, today: dt.date) -> Summary:
    """Return every row of one group and the totals."""
    scope = scope_of(days, filters)
    pairs = rows_by_provider(grouped(scope, "model")) if group == "provider" else grouped(scope, group)
    labels = labels_for({group: [key for key, _ in pairs]})
    return Summary(
        days=days,
        filters=filters,
        group=group,
        totals=Sums.total(sums for _, sums in pairs),
        table=Table(group, labelled(group, pairs, labels)),
        **before_and_month(scope, today),
    )


@memory_for_sums()
def dashboard(
    days: DayRange, filters: Filters, group: str, *, today: dt.date, tables: Sequence[str] = TABLES
) -> Dashboard:
    """Return the figures, the chart and the tables, with a number of queries that does not grow with the rows."""
    scope = scope_of(days, filters)
    limits = {name: WHOLE if name == "model" else FEW + 1 for name in (*TABLES, "mode")}
    if group in limits and group != "model":
        limits[group] = MANY + 1
    columns = list(dict.fromkeys([*tables, *([group] if group in limits else []), "model"]))
    found = breakdowns(scope, columns, limits)
    everything = found[""][0][1]
    stacked_by = "model" if group == "day" else group
    if group == "provider":
        found["provider"] = rows_by_provider(found["model"])
    if group == "day":
        found["day"] = grouped(scope, "day")
    wanted = list(dict.fromkeys([group, *tables]))
    most = {group: MANY, "day": len(days.days)}
    shown = {name: found[name][: most.get(name, FEW)] for name in wanted}
    top = [key for key, sums in found[stacked_by][:STACKED] if sums.cost_pico]
    named = {name: [key for key, _ in pairs] for name, pairs in shown.items()}
    labels = labels_for({**named, stacked_by: [*named.get(stacked_by, []), *top]})
    return Dashboard(
        days=days,
        filters=filters,
        group=group,
        totals=everything,
        tables=[table_of(name, shown[name], len(found[name]), everything, labels) for name in wanted],
        stacked_by=stacked_by,
        series=stacked(scope, stacked_by, top, labels),
        **before_and_month(scope, today),
    )


def table_of(
    group: str, pairs: Sequence[tuple[Key, Sums]], known: int, totals: Sums, labels: Labels
) -> Table:
    rest = None
    if known > len(pairs):
        rest = totals - Sums.total(sums for _, sums in pairs)
    return Table(group, labelled(group, pairs, labels), rest)


def labelled(group: str, pairs: Iterable[tuple[Key, Sums]], labels: Labels) -> list[Row]:
    return [Row(group, key, labels[group, key], sums) for key, sums in pairs]


def rows_by_provider(by_model: Sequence[tuple[Key, Sums]]) -> list[tuple[Key, Sums]]:
    """Return the sums of the models' providers, by cost."""
    providers = provider_ids()
    found: dict[Key, Sums] = {}
    for model, sums in by_model:
        found[providers[model]] = found.get(providers[model], Sums()) + sums
    return sorted(found.items(), key=lambda pair: (-pair[1].cost_pico, str(pair[0])))


def provider_ids() -> Mapping[Key, Key]:
    return dict(LlmModel.objects.values_list("pk", "provider_id"))


def stacked(scope: Scope, group: str, top: Sequence[Key], labels: Labels) -> list[Series]:
    """Return the cost per day of the groups that cost most, and of the others together."""
    if group == "provider":
        providers = provider_ids()
        found = [
            (day, providers[key] if key is not None else None, cost)
            for day, key, cost in costs_by_day(scope, "model")
        ]
    else:
        found = costs_by_day(scope, group, top)
    costs: dict[Key | None, dict[dt.date, int]] = {}
    for day, key, cost in found:
        by_day = costs.setdefault(key if key in top else None, {})
        by_day[day] = by_day.get(day, 0) + cost
    series = [Series(labels[group, key], [costs[key].get(day, 0) for day in scope.days.days]) for key in top]
    others = [costs.get(None, {}).get(day, 0) for day in scope.days.days]
    return [*series, Series("others", others, is_rest=True)] if any(others) else series


class Beside(TypedDict):
    before: Sums
    projection: Projection


def before_and_month(scope: Scope, today: dt.date) -> Beside:
    """Return the sums of the range before, and the projected month of today."""
    month = month_of(today)
    so_far = DayRange(month.first, today)
    before, spent = totals([scope.over(scope.days.before()), scope.over(so_far)])
    return Beside(before=before, projection=Projection(month, so_far, spent.cost_pico))


@dataclass(frozen=True, slots=True)
class Chargeback:
    """What each team cost in each month: months newest first, teams by name, amounts in pico-USD."""

    months: Sequence[DayRange]
    rows: Sequence[tuple[Key, str, Sequence[int]]]
    totals: Sequence[int]


@memory_for_sums()
def chargeback(today: dt.date, months: int) -> Chargeback:
    """Return the cost of every team in the last months, the current one as far as it is."""
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
    """Return part of whole to four places, None of nothing."""
    if whole == 0:
        return None
    return (Decimal(part) / Decimal(whole)).quantize(Decimal("0.0001"), ROUND_HALF_EVEN)
