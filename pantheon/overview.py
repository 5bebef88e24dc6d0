"""The front page of the administration: what needs attention, as far as a member of staff may see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from accounts.models import User
from accounts.selectors.people import list_new_users, open_invitation_count
from billing.days import utc_today
from billing.reports.month import month_costs
from billing.selectors.budgets import fullest_budgets, people_of, states_of, target_names
from billing.selectors.prices import current_tiers
from billing.texts.budget_text import staff_line
from billing.texts.money import money
from orchestration.models import LlmModel
from sessions.selectors.operations import list_failing_providers, queue_now

SHOWN = 5
"""Rows of a part; the page that it links to has all."""

NEAR_PERCENT = 80
BUDGETS = 12
"""The fullest budgets, among which those near their limit are. Each kind of owner among them takes a statement."""


@dataclass(frozen=True, slots=True)
class OverviewPart:
    """A part of the page: its template, the permissions that it needs, and what reads its figures."""

    template: str
    permissions: tuple[str, ...]
    read: Callable[[], dict[str, Any]]


def costs() -> dict[str, Any]:
    month = month_costs(utc_today())
    return {
        "month": month.projection.month.first,
        "cost": money(month.so_far.cost_pico),
        "forecast": money(month.projection.projected_pico),
        "today": money(month.today.cost_pico),
        "before": money(month.before.cost_pico),
        "before_month": month.projection.month.before().last,
        "unpriced": month.so_far.unpriced_calls,
    }


def budgets() -> dict[str, Any]:
    today = utc_today()
    states = states_of(fullest_budgets(today=today, limit=BUDGETS), today=today)
    near = [state for state in states if state.current.percent >= NEAR_PERCENT][:SHOWN]
    rows = [state.budget for state in states]
    names, people = target_names(rows), people_of(states)
    lines = [staff_line(state, names.get(state.budget.target_id, ""), people) for state in near]
    return {"lines": lines, "any": bool(states)}


def prices() -> dict[str, Any]:
    models = list(LlmModel.objects.enabled().order_by("alias"))
    tiers = current_tiers(models)
    unpriced = [model for model in models if 0 not in tiers[model.pk]]
    return {"unpriced": unpriced[:SHOWN], "count": len(unpriced), "models": len(models)}


def failures() -> dict[str, Any]:
    return {"failing": list_failing_providers(SHOWN)}


def people() -> dict[str, Any]:
    return {"users": list(list_new_users(SHOWN))}


def invitations() -> dict[str, Any]:
    return {"open": open_invitation_count()}


def queue() -> dict[str, Any]:
    return {"queue": queue_now()}


PARTS = (
    OverviewPart("costs", ("billing.view_usageevent",), costs),
    OverviewPart("queue", ("chat_sessions.view_turn",), queue),
    OverviewPart("budgets", ("billing.view_budget",), budgets),
    OverviewPart("failures", ("orchestration.view_provider", "chat_sessions.view_call"), failures),
    OverviewPart("prices", ("billing.view_modelprice",), prices),
    OverviewPart("people", ("accounts.view_user",), people),
    OverviewPart("invitations", ("accounts.view_invitation",), invitations),
)


def overview_for(user: User) -> list[dict[str, Any]]:
    """Return template and figures of each part that the user may see. Rows add no statements."""
    return [
        {"template": f"admin/overview/{part.template}.html", **part.read()}
        for part in PARTS
        if user.has_perms(part.permissions)
    ]
