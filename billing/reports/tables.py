"""Reports with formatted amounts, for pages and files: figures, tables and active filters."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from billing.reports.events import events_urls
from billing.reports.filters import key_text
from billing.reports.query import ReportQuery
from billing.reports.report import Projection, Table
from billing.reports.sums import Sums
from billing.selectors.keys import Key
from billing.selectors.labels import labels_for
from billing.texts.money import Money, money
from billing.texts.percents import change_text, percent_text
from web.dates import day_text

OTHERS = "Other"
TITLES = {
    "day": "Day",
    "team": "Team",
    "user": "User",
    "model": "Model",
    "provider": "Provider",
    "room": "Room",
    "agent": "Agent",
    "mode": "Mode",
    "purpose": "Purpose",
    "flag": "Flag",
    "token": "Token",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums with the figures derived from them."""

    sums: Sums
    cost: Money
    estimated: Money
    corrected: Money
    orchestration: Money
    cached_percent: str
    orchestration_percent: str


@dataclass(frozen=True, slots=True)
class TableLine:
    """A row of a table. `narrow`: URL of the report filtered to this row; `events`: URL of its calls."""

    key: str
    label: str
    figures: Figures
    percent: str
    narrow: str = ""
    events: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    group: str
    title: str
    lines: Sequence[TableLine]
    more: str = ""


@dataclass(frozen=True, slots=True)
class FilterChip:
    """An active filter. `without`: URL of the report without it."""

    name: str
    title: str
    label: str
    without: str


def figures_of(sums: Sums) -> Figures:
    return Figures(
        sums=sums,
        cost=money(sums.priced_cost_pico),
        estimated=money(sums.estimated_cost_pico),
        corrected=money(sums.corrected_cost_pico),
        orchestration=money(sums.orchestration_cost_pico),
        cached_percent=percent_text(sums.cache_read_tokens, sums.total_input),
        orchestration_percent=percent_text(sums.orchestration_cost_pico, sums.cost_pico),
    )


def listing_of(
    table: Table, totals: Sums, *, narrow: Callable[[Key], str], events: Callable[[Key], str], more: str = ""
) -> Listing:
    """Return a table with links; a last line sums the rows not shown, so that the lines add up to the total."""
    lines = [
        TableLine(
            key=key_text(row.key),
            label=day_text(row.key) if isinstance(row.key, dt.date) else row.label,
            figures=figures_of(row.sums),
            percent=percent_text(row.sums.cost_pico, totals.cost_pico),
            narrow=narrow(row.key),
            events=events(row.key),
        )
        for row in table.rows
    ]
    if table.rest is not None:
        rest = table.rest
        lines.append(TableLine("", OTHERS, figures_of(rest), percent_text(rest.cost_pico, totals.cost_pico)))
    return Listing(table.group, TITLES[table.group], lines, more if table.rest is not None else "")


def listings_for(
    tables: Sequence[Table], totals: Sums, query: ReportQuery, *, anchor: str = "", with_ledger: bool = False
) -> list[Listing]:
    """Return tables whose rows link to the report about them; `with_ledger`: also to their calls and to more rows."""

    def narrow(group: str) -> Callable[[Key], str]:
        if group == "token":  # no filter: the rollups do not have it
            return lambda key: ""
        narrowing = query.narrowing(group)
        return lambda key: f"?{narrowing(key)}{anchor}"

    def events(group: str) -> Callable[[Key], str]:
        return events_urls(query.days, query.filters, group) if with_ledger else lambda key: ""

    return [
        listing_of(
            table,
            totals,
            narrow=narrow(table.group),
            events=events(table.group),
            more=f"?{query.query(group_by=table.group)}" if with_ledger else "",
        )
        for table in tables
    ]


def filter_chips(query: ReportQuery, *, of_user: uuid.UUID | None = None) -> list[FilterChip]:
    """Return the active filters of a report, with their labels; `of_user`: from the events of one user."""
    active = query.filters.active()
    labels = labels_for({name: [value] for name, value in active.items()}, of_user=of_user)
    return [
        FilterChip(
            name,
            TITLES[name],
            labels[name, value],
            f"?{replace(query, filters=query.filters.having(name, None)).query()}",
        )
        for name, value in active.items()
    ]


def changes_of(now: Sums, before: Sums) -> dict[str, str]:
    """Return the changes of the main figures from the range before."""
    return {
        "cost": change_text(now.cost_pico, before.cost_pico),
        "calls": change_text(now.calls, before.calls),
        "tokens": change_text(now.total_input + now.output_tokens, before.total_input + before.output_tokens),
    }


def formula(projection: Projection) -> str:
    """Return the calculation of the projected month."""
    so_far, month = projection.so_far, projection.month
    days = "1 day" if so_far.length == 1 else f"{so_far.length} days"
    spent = money(projection.cost_pico).text
    return f"{spent} in {days} of {month.first:%B} ÷ {so_far.length} × {month.length} days"
