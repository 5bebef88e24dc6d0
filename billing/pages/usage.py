"""Page: the cost of my own calls."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from accounts.models import User
from accounts.pages.base import PageView
from billing.days import PRESETS, utc_today
from billing.ports import known_rooms
from billing.reports.charts import stacked_chart
from billing.reports.filters import Filters
from billing.reports.own_filters import refuse_unseen, without_others
from billing.reports.query import parse_query_lenient
from billing.reports.report import Table, dashboard
from billing.reports.tables import TITLES, figures_of, filter_chips, listings_for
from billing.reports.tokens import token_names, tokens_table
from billing.reports.turns import TurnCost, turns_of
from billing.selectors.budgets import own_fills, target_names
from billing.texts.budget_text import BudgetLine, own_line
from billing.texts.money import Money, money
from billing.texts.percents import change_text
from web.errors import PantheonError

TABLES = ("model", "room", "agent")
OWN_FILTERS = (*TABLES, "provider", "mode", "purpose")
LATEST = 50


@dataclass(frozen=True, slots=True)
class TurnLine:
    """A turn with its cost."""

    at: dt.datetime
    title: str
    """The title of its session."""
    place: str
    agents: str
    models: str
    calls: int
    cost: Money
    token: str
    """The name of the API token it was sent with, "" for none."""
    url: str
    """Its place in the session, "" if the session was deleted."""


class UsagePage(PageView):
    """My cost by day, model, room, agent and token. Rows filter the page; the newest turns are listed below."""

    def get(self, request: HttpRequest) -> HttpResponse:
        today = utc_today()
        query, problems = parse_query_lenient(without_others(request.GET.dict()), today=today)
        kept = Filters(**{name: getattr(query.filters, name) for name in OWN_FILTERS})
        for name in ("model", "provider"):
            try:
                refuse_unseen(Filters(**{name: getattr(kept, name)}), self.user)
            except PantheonError as error:
                problems.append(f"{error.message} It is ignored.")
                kept = kept.having(name, None)
        query = replace(query, group="day", filters=kept)
        own = kept.having("user", self.user.pk)
        report = dashboard(query.days, own, "day", today=today, tables=TABLES)
        tables = used_rows([*report.tables, tokens_table(query.days, own)])
        context = {
            "query": query,
            "wrong": problems,
            "presets": PRESETS.items(),
            "chips": filter_chips(query, of_user=self.user.pk),
            "now": figures_of(report.totals),
            "before": figures_of(report.before),
            "days_before": query.days.before(),
            "change": change_text(report.totals.cost_pico, report.before.cost_pico),
            "projected": money(report.projection.projected_pico),
            "projection": report.projection,
            "chart": stacked_chart(report.days, report.series),
            "stacked_by": TITLES[report.stacked_by].lower(),
            "budgets": budget_lines(self.user, today),
            "listings": listings_for(tables, report.totals, query, anchor="#turns"),
            "turns": turn_lines(turns_of(query.days, own, limit=LATEST)),
            "today_began": dt.datetime.combine(today, dt.time(), dt.UTC),
            "latest": LATEST,
        }
        return render(request, "pages/usage.html", context)


def budget_lines(user: User, today: dt.date) -> list[BudgetLine]:
    """Return the budgets that bind a person, as they stand today."""
    fills = own_fills(user, today=today)
    names = target_names(fill.budget for fill in fills)
    return [own_line(fill, names.get(fill.budget.target_id, "")) for fill in fills]


def used_rows(tables: Sequence[Table]) -> list[Table]:
    """Return the tables without rows that have no calls, the newest day first; the table of tokens only with rows."""
    used = [replace(table, rows=[row for row in table.rows if row.sums.calls]) for table in tables]
    newest_first = [
        replace(table, rows=table.rows[::-1]) if table.group == "day" else table for table in used
    ]
    return [table for table in newest_first if table.rows or table.group != "token"]


def turn_lines(turns: Sequence[TurnCost]) -> list[TurnLine]:
    """Return turns with the titles of their sessions and the names of their tokens: two queries."""
    titles = known_rooms().session_titles({turn.session_id for turn in turns})
    tokens = token_names({turn.token_id for turn in turns if turn.token_id})
    return [turn_line(turn, titles.get(turn.session_id), tokens) for turn in turns]


def turn_line(turn: TurnCost, title: str | None, tokens: Mapping[uuid.UUID, str]) -> TurnLine:
    url = f"{reverse('session', args=[turn.session_id])}?turn={turn.turn_id}#turn-{turn.turn_id}"
    return TurnLine(
        at=turn.at,
        title=title or "Deleted session",
        place=turn.room_name or "Direct chat",
        agents=" ".join(f"@{key}" for key in turn.agents),
        models=", ".join(turn.models),
        calls=turn.calls,
        cost=money(turn.cost_pico),
        token=tokens[turn.token_id] if turn.token_id else "",
        url=url if title else "",
    )
