"""Pages: what my own calls cost."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from accounts.models import User
from accounts.pages.base import PageView
from billing.budget_text import Line, own_line
from billing.days import PRESETS, utc_today
from billing.money import Money, money
from billing.reports.charts import stacked_chart
from billing.reports.filters import Filters
from billing.reports.query import Asked, read_forgiving
from billing.reports.report import dashboard
from billing.reports.tables import TITLES, change, figures_of, listing_of
from billing.reports.turns import TurnCost, turns_of
from billing.selectors.budgets import own_fills, target_names
from billing.selectors.keys import Key
from billing.selectors.labels import labels_for

TABLES = ("model", "room", "agent")
OWN_FILTERS = (*TABLES, "provider", "mode", "purpose")
LATEST = 50


@dataclass(frozen=True, slots=True)
class Chip:
    title: str
    label: str
    without: str


@dataclass(frozen=True, slots=True)
class TurnLine:
    """A turn with its cost, and the session it is in."""

    at: dt.datetime
    place: str
    agents: str
    models: str
    calls: int
    cost: Money
    url: str


class UsageView(PageView):
    """My cost by day, model, room and agent; a row narrows the page, the turns below are what it is made of."""

    def get(self, request: HttpRequest) -> HttpResponse:
        today = utc_today()
        asked, wrong = read_forgiving(request.GET, today=today)
        kept = Filters(**{name: getattr(asked.filters, name) for name in OWN_FILTERS})
        asked = replace(asked, group="day", filters=kept)
        own = kept.having("user", self.user.pk)
        report = dashboard(asked.days, own, "day", today=today, tables=TABLES)
        context = {
            "asked": asked,
            "wrong": wrong,
            "presets": PRESETS.items(),
            "chips": chips_of(asked),
            "now": figures_of(report.totals),
            "before": figures_of(report.before),
            "days_before": asked.days.before(),
            "change": change(report.totals.cost_pico, report.before.cost_pico),
            "projected": money(report.projection.projected_pico),
            "projection": report.projection,
            "chart": stacked_chart(report.days, report.series),
            "stacked_by": TITLES[report.stacked_by].lower(),
            "budgets": budget_lines(self.user, today),
            "listings": listings_of(report.tables, report.totals, asked),
            "turns": [turn_line(turn) for turn in turns_of(asked.days, own, limit=LATEST)],
            "latest": LATEST,
        }
        return render(request, "pages/usage.html", context)


def budget_lines(user: User, today: dt.date) -> list[Line]:
    """Return the budgets that bind a person, as they stand today."""
    fills = own_fills(user, today=today)
    names = target_names(fill.budget for fill in fills)
    return [own_line(fill, names.get(fill.budget.target_id, "")) for fill in fills]


def listings_of(tables: Sequence[Any], totals: Any, asked: Asked) -> list[Any]:
    def narrow(group: str) -> Callable[[Key], str]:
        narrowing = asked.narrowing(group)
        return lambda key: f"?{narrowing(key)}#turns"

    used = [replace(table, rows=[row for row in table.rows if row.sums.calls]) for table in tables]
    return [listing_of(table, totals, narrow=narrow(table.group), events=lambda key: "") for table in used]


def chips_of(asked: Asked) -> list[Chip]:
    active = asked.filters.active()
    labels = labels_for({name: [value] for name, value in active.items()})
    return [
        Chip(
            TITLES[name],
            labels[name, value],
            f"?{replace(asked, filters=asked.filters.having(name, None)).query()}",
        )
        for name, value in active.items()
    ]


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
