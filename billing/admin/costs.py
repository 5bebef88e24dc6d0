"""*Costs* in the administration: the cost of all calls, from the rollups."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views import View

from accounts.models import Team
from billing.days import PRESETS, DayRange, utc_today
from billing.models.flags import FLAG_CHOICES
from billing.reports.charts import stacked_chart
from billing.reports.events import events_url
from billing.reports.export import BOM, dashboard_csv, events_csv, months_csv
from billing.reports.filters import key_text
from billing.reports.notable import notable_costs
from billing.reports.query import ReportQuery, parse_query_lenient
from billing.reports.report import GROUPS, Chargeback, chargeback, dashboard
from billing.reports.tables import (
    TITLES,
    FilterChip,
    changes_of,
    figures_of,
    filter_chips,
    formula,
    listings_for,
)
from billing.selectors.budgets import fullest_budgets, people_of, states_of, target_names
from billing.texts.budget_text import staff_line
from billing.texts.money import Money, money
from orchestration.engine.modes import MODES
from orchestration.engine.purposes import purpose_choices
from orchestration.models import LlmModel, Provider

PERMISSION = "billing.view_usageevent"
MONTHS = (3, 6, 12)
BUDGETS = 12
"""Budgets on the page, the fullest first; the budget list has all."""


class CostsPage(View):
    """An admin page for staff who may see the ledger. `admin_view` handles signing in."""

    title = ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def page(self, template: str, **context: Any) -> HttpResponse:
        shared = {**admin.site.each_context(self.request), "title": self.title}
        return render(self.request, template, {**shared, **context})


class CostsView(CostsPage):
    title = "Costs"

    def get(self, request: HttpRequest) -> HttpResponse:
        today = utc_today()
        query, problems = parse_query_lenient(request.GET, today=today)
        report = dashboard(query.days, query.filters, query.group, today=today)
        totals, before = report.totals, report.before
        chips = filter_chips(query)
        return self.page(
            "admin/billing/costs.html",
            query=query,
            wrong=problems,
            query_string=query.query(),
            now=figures_of(totals),
            before=figures_of(before),
            days_before=query.days.before(),
            changes=changes_of(totals, before),
            projected=money(report.projection.projected_pico),
            projection=report.projection,
            formula=formula(report.projection),
            chart=stacked_chart(report.days, report.series),
            stacked_by=TITLES[report.stacked_by].lower(),
            **budgets_now(request, today),
            listings=listings_for(report.tables, report.totals, query, with_ledger=True),
            notable=notable_costs(query),
            all_events=events_url(query.days, query.filters),
            chips=chips,
            person=person_text(query, chips),
            **form_choices(),
        )


class CostsCsvView(CostsPage):
    """The page's figures as CSV, for the same query string."""

    def get(self, request: HttpRequest) -> HttpResponse:
        today = utc_today()
        query, _ = parse_query_lenient(request.GET, today=today)
        report = dashboard(query.days, query.filters, query.group, today=today)
        listings = listings_for(report.tables, report.totals, query, with_ledger=True)
        return dashboard_csv(report, listings, budgets_now(request, today)["budgets"])


class EventsCsvView(CostsPage):
    def get(self, request: HttpRequest) -> HttpResponseBase:
        query, _ = parse_query_lenient(request.GET, today=utc_today())
        return events_csv(query.days, query.filters, start=BOM)


class ChargebackView(CostsPage):
    """Each team's cost in each month."""

    title = "Costs by team and month"

    def get(self, request: HttpRequest) -> HttpResponse:
        months = requested_months(request)
        return self.page(
            "admin/billing/chargeback.html",
            months=months,
            month_choices=MONTHS,
            **months_table(chargeback(utc_today(), months)),
        )


class ChargebackCsvView(CostsPage):
    def get(self, request: HttpRequest) -> HttpResponse:
        return months_csv(chargeback(utc_today(), requested_months(request)))


def requested_months(request: HttpRequest) -> int:
    text = request.GET.get("months", "")
    return int(text) if text in map(str, MONTHS) else MONTHS[0]


def months_table(chargeback: Chargeback) -> dict[str, Any]:
    """Return heads and rows; each amount links to the dashboard of its team and month."""

    def cells(costs: Sequence[int], team: str = "") -> list[tuple[Money, str, str]]:
        return [
            (money(cost), month_url(month, team), head_of(month))
            for month, cost in zip(chargeback.months, costs, strict=True)
        ]

    return {
        "heads": [head_of(month) for month in chargeback.months],
        "rows": [(label, cells(costs, key_text(team))) for team, label, costs in chargeback.rows],
        "totals": cells(chargeback.totals),
    }


def head_of(month: DayRange) -> str:
    return f"{month.first:%B %Y}"


def month_url(month: DayRange, team: str = "") -> str:
    query = f"range=custom&from={month.first}&to={month.last}&group_by=user"
    return f"{reverse('costs')}?{query}" + (f"&team={team}" if team else "")


def budgets_now(request: HttpRequest, today: dt.date) -> dict[str, Any]:
    """Return the fullest budgets, independent of the page's range and filters."""
    fullest = fullest_budgets(today=today, limit=BUDGETS + 1)
    budgets = fullest[:BUDGETS]
    states = states_of(budgets, today=today)
    names, people = target_names(budgets), people_of(states)
    may_see = request.user.has_perm("billing.view_budget")
    lines = [
        staff_line(
            state,
            names.get(state.budget.target_id, ""),
            people,
            reverse("admin:billing_budget_change", args=[state.budget.pk]) if may_see else "",
        )
        for state in states
    ]
    return {"budgets": lines, "more_budgets": len(fullest) > BUDGETS}


def person_text(query: ReportQuery, chips: Sequence[FilterChip]) -> str:
    """Return the form's value of the person filter: email address, or the id of a deleted person."""
    labels = [chip.label for chip in chips if chip.name == "user"]
    return next((label for label in labels if "@" in label), str(query.filters.user or ""))


def form_choices() -> dict[str, Any]:
    """Return the form's choices. People, rooms and agents are too many: their table rows link to filters."""
    return {
        "presets": PRESETS.items(),
        "groups": [(name, TITLES[name]) for name in GROUPS],
        "selects": [
            ("team", "Team", "All teams", [*Team.objects.values_list("pk", "name"), ("none", "no team")]),
            (
                "model",
                "Model",
                "All models",
                list(LlmModel.objects.order_by("alias").values_list("pk", "alias")),
            ),
            ("provider", "Provider", "All providers", list(Provider.objects.values_list("pk", "name"))),
            ("mode", "Mode", "All modes", [(key, mode.label) for key, mode in MODES.items()]),
            ("purpose", "Purpose", "All purposes", purpose_choices()),
            ("flag", "Flag", "All calls", FLAG_CHOICES.items()),
        ],
    }
