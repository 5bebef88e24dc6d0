"""*Costs* in the administration: what everybody's calls cost, from the daily rollup."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views import View

from accounts.models import Team
from billing.budget_text import staff_line
from billing.days import PRESETS, DayRange, utc_today
from billing.models import UsageEvent
from billing.money import Money, money
from billing.reports.charts import stacked_chart
from billing.reports.events import events_url, events_urls
from billing.reports.export import events_csv, months_csv, shown_csv
from billing.reports.filters import MODES, key_text
from billing.reports.query import Asked, read_forgiving
from billing.reports.report import GROUPS, Chargeback, Dashboard, chargeback, dashboard
from billing.reports.tables import TITLES, changes_of, figures_of, formula, listing_of
from billing.selectors.budgets import fullest_budgets, people_of, states_of, target_names
from billing.selectors.keys import Key
from billing.selectors.labels import labels_for
from orchestration.models import LlmModel, Provider

PERMISSION = "billing.view_usageevent"
MONTHS = (3, 6, 12)
BUDGETS = 12
"""The fullest ones are on the page; all are in a list of their own."""


class CostsPage(View):
    """A page of the administration for staff who may see the ledger; the site itself asks others to sign in."""

    title = ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def page(self, template: str, **context: Any) -> HttpResponse:
        shared = {**admin.site.each_context(self.request), "title": self.title}
        return render(self.request, template, {**shared, **context})


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is on, with the address without it."""

    name: str
    title: str
    label: str
    without: str


class CostsView(CostsPage):
    title = "Costs"

    def get(self, request: HttpRequest) -> HttpResponse:
        today = utc_today()
        asked, wrong = read_forgiving(request.GET, today=today)
        report = dashboard(asked.days, asked.filters, asked.group, today=today)
        totals, before = report.totals, report.before
        chips = chips_of(asked)
        return self.page(
            "admin/billing/costs.html",
            asked=asked,
            wrong=wrong,
            query=asked.query(),
            now=figures_of(totals),
            before=figures_of(before),
            days_before=asked.days.before(),
            changes=changes_of(totals, before),
            projected=money(report.projection.projected_pico),
            projection=report.projection,
            formula=formula(report.projection),
            chart=stacked_chart(report.days, report.series),
            stacked_by=TITLES[report.stacked_by].lower(),
            **budgets_now(request, today),
            listings=listings_of(report, asked),
            all_events=events_url(asked.days, asked.filters),
            chips=chips,
            person=person_of(asked, chips),
            **choices(),
        )


class CostsCsvView(CostsPage):
    """The file of what the page shows for the same query string."""

    def get(self, request: HttpRequest) -> HttpResponse:
        today = utc_today()
        asked, _ = read_forgiving(request.GET, today=today)
        report = dashboard(asked.days, asked.filters, asked.group, today=today)
        return shown_csv(report, listings_of(report, asked), budgets_now(request, today)["budgets"])


class EventsCsvView(CostsPage):
    def get(self, request: HttpRequest) -> HttpResponseBase:
        asked, _ = read_forgiving(request.GET, today=utc_today())
        return events_csv(asked.days, asked.filters)


class ChargebackView(CostsPage):
    """What each team cost in each month."""

    title = "Costs by team and month"

    def get(self, request: HttpRequest) -> HttpResponse:
        months = months_asked(request)
        return self.page(
            "admin/billing/chargeback.html",
            months=months,
            month_choices=MONTHS,
            **table_of(chargeback(utc_today(), months)),
        )


class ChargebackCsvView(CostsPage):
    def get(self, request: HttpRequest) -> HttpResponse:
        return months_csv(chargeback(utc_today(), months_asked(request)))


def months_asked(request: HttpRequest) -> int:
    text = request.GET.get("months", "")
    return int(text) if text in map(str, MONTHS) else MONTHS[0]


def table_of(found: Chargeback) -> dict[str, Any]:
    """Return heads and rows, each amount with the dashboard of that team and month."""

    def cells(costs: Sequence[int], team: str = "") -> list[tuple[Money, str]]:
        return [
            (money(cost), month_url(month, team)) for month, cost in zip(found.months, costs, strict=True)
        ]

    return {
        "heads": [f"{month.first:%B %Y}" for month in found.months],
        "rows": [(label, cells(costs, key_text(team))) for team, label, costs in found.rows],
        "totals": cells(found.totals),
    }


def month_url(month: DayRange, team: str = "") -> str:
    query = f"range=custom&from={month.first}&to={month.last}&group_by=user"
    return f"{reverse('costs')}?{query}" + (f"&team={team}" if team else "")


def budgets_now(request: HttpRequest, today: dt.date) -> dict[str, Any]:
    """Return the budgets of which most is spent, whatever the page's range and filters are."""
    found = fullest_budgets(today=today, limit=BUDGETS + 1)
    budgets = found[:BUDGETS]
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
    return {"budgets": lines, "more_budgets": len(found) > BUDGETS}


def listings_of(report: Dashboard, asked: Asked) -> list[Any]:
    def narrow(group: str) -> Callable[[Key], str]:
        narrowing = asked.narrowing(group)
        return lambda key: f"?{narrowing(key)}"

    return [
        listing_of(
            table,
            report.totals,
            narrow=narrow(table.group),
            events=events_urls(asked.days, asked.filters, table.group),
            more=f"?{asked.query(group_by=table.group)}",
        )
        for table in report.tables
    ]


def chips_of(asked: Asked) -> list[Chip]:
    active = asked.filters.active()
    labels = labels_for({name: [value] for name, value in active.items()})
    return [
        Chip(
            name,
            TITLES[name],
            labels[name, value],
            f"?{replace(asked, filters=asked.filters.having(name, None)).query()}",
        )
        for name, value in active.items()
    ]


def person_of(asked: Asked, chips: Sequence[Chip]) -> str:
    """Return what stands in the form for the person: the address, or the id of somebody who is gone."""
    labels = [chip.label for chip in chips if chip.name == "user"]
    return next((label for label in labels if "@" in label), str(asked.filters.user or ""))


def choices() -> dict[str, Any]:
    """Return what the form offers. People, rooms and agents are many: a row of their table narrows to one."""
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
            ("mode", "Mode", "All modes", [(mode, mode) for mode in MODES]),
            ("purpose", "Purpose", "All purposes", UsageEvent.Purpose.choices),
        ],
    }
