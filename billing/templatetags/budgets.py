"""Budgets on pages: the banner, and the notices on the administration's front page."""

from __future__ import annotations

from typing import Any

from django import template

from accounts.models import User
from billing.days import utc_today
from billing.selectors.budgets import newest_notices, notice_names, target_names, urgent_fill
from billing.texts.budget_text import banner_of, notice_lines

NEWEST = 5

register = template.Library()


@register.inclusion_tag("partials/budget_banner.html", takes_context=True)
def budget_banner(context: Any) -> dict[str, Any]:
    """Show the fullest budget of the signed-in user that has passed a threshold, if any: one statement."""
    user = getattr(context.get("request"), "user", None)
    fill = urgent_fill(user, today=utc_today()) if isinstance(user, User) else None
    if fill is None:
        return {"banner": None}
    return {"banner": banner_of(fill, target_names([fill.budget]).get(fill.budget.target_id, ""))}


@register.simple_tag
def budget_notices() -> list[Any]:
    """Return the lines of the newest notices."""
    notices = newest_notices(NEWEST)
    return notice_lines(notices, notice_names(notices))
