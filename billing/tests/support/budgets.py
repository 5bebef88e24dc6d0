"""Budgets for tests, created by the service, and spending added by hand."""

from __future__ import annotations

import uuid
from typing import Any

from accounts.models import User
from billing.days import utc_today
from billing.models import Budget, BudgetPeriod
from billing.services.budgets import budget_save
from billing.services.spending import notices_add

USD = 10**12


def make_budget(scope: str = "everyone", target: Any = None, *, usd: int = 10, **fields: Any) -> Budget:
    """Create a budget of `usd` dollars a month; `target` is a team, user or room."""
    if target is not None:
        fields["target_id"] = target if isinstance(target, uuid.UUID) else target.pk
    return budget_save(budget=Budget(scope=scope, limit_pico=usd * USD, **fields))


def spend(budget: Budget, cents: int, *, by: User | None = None, held_cents: int = 0) -> BudgetPeriod:
    """Add spending to a budget's current period (of `by` if it is per member), and record passed thresholds."""
    key: dict[str, Any] = {"member_id": by.pk} if by is not None else {}
    period, _ = BudgetPeriod.objects.get_or_create(budget=budget, start=budget.start_of(utc_today()), **key)
    before = period.spent_pico
    period.spent_pico += cents * USD // 100
    period.held_pico += held_cents * USD // 100
    period.save()
    notices_add([(budget, period.pk, before, period.spent_pico)])
    return period
