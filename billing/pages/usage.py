"""Page: the cost of my own calls."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from accounts.models import User
from accounts.pages.base import PageView
from billing.budget_text import BudgetLine, own_line
from billing.days import PRESETS, utc_today
from billing.money import Money, money
from billing.reports.charts import stacked_chart
from billing.reports.filters import Filters
from billing.reports.query import parse_query_lenient
from billing.reports.report import Table, dashboard
from billing.reports.tables import TITLES, change, figures_of, filter_chips, listings_for
from billing.reports.turns import TurnCost, turns_of
from billing.selectors.budgets import own_fills, target_names

TABLES = ("model", "room", "agent")
OWN_FILTERS = (*TABLES, "provider", "mode", "purpose")
LATEST = 50


@dataclass(frozen=True, slots=True)
class TurnLine:
    """A turn with its cost and the URL of its place in the session."""

    at: dt.datetime
    place: str
    agents: str
    models: str
    calls: int
    cost: Money
    url: str


class UsagePage(PageView):
    """My cost by day, model, room and agent. Each row filters the page; the newest turns are listed below."""

    def get(self, request: HttpRequest) -> HttpResponse:
        today = utc_today()
        query, problems = parse_query_lenient(request.GET, today=today)
        kept = Filters(**{name: getattr(query.filters, name) for name in OWN_FILTERS})
        query = replace(query, group="day", filters=kept)
        own = kept.having("user", self.user.pk)
        report = dashboard(query.days, own, "day", today=today, tables=TABLES)
        context = {
            "query": query,
            "wrong": problems,
            "presets": PRESETS.items(),
            "chips": filter_chips(query),
            "now": figures_of(report.totals),
            "before": figures_of(report.before),
            "days_before": query.days.before(),
            "change": change(report.totals.cost_pico, report.before.cost_pico),
            "projected": money(report.projection.projected_pico),
            "projection": report.projection,
            "chart": stacked_chart(report.days, report.series),
            "stacked_by": TITLES[report.stacked_by].lower(),
            "budgets": budget_lines(self.user, today),
            "listings": listings_for(used_rows(report.tables), report.totals, query, anchor="#turns"),
            "turns": [turn_line(turn) for turn in turns_of(query.days, own, limit=LATEST)],
            "latest": LATEST,
        }
        return render(request, "pages/usage.html", context)


def budget_lines(user: User, today: dt.date) -> list[BudgetLine]:
    """Return the budgets that bind a person, as they stand today."""
    fills = own_fills(user, today=today)
    names = target_names(fill.budget for fill in fills)
    return [own_line(fill, names.get(fill.budget.target_id, "")) for fill in fills]


def used_rows(tables: Sequence[Table]) -> list[Table]:
    """Return the tables without rows that have no calls."""
    return [replace(table, rows=[row for row in table.rows if row.sums.calls]) for table in tables]


def turn_line(turn: TurnCost) -> TurnLine:
    return TurnLine(
        at=turn.at,
        place=turn.room_name or "Direct chat",
        agents=" ".join(f"@{key}" for key in turn.agents),
        models=", ".join(turn.models),
        calls=turn.calls,
        cost=money(turn.cost_pico),
        url=f"{reverse('session', args=[turn.session_id])}?turn={turn.turn_id}#turn-{turn.turn_id}",
    )
