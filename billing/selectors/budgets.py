"""Budgets as they are read: what binds a person, and how full each is."""

from __future__ import annotations

import datetime as dt

from django.db.models import QuerySet

from billing.models import Budget, BudgetPeriod, UsageEvent


def events_of_period(period: BudgetPeriod) -> QuerySet[UsageEvent]:
    """Return the events that a budget period counts, corrections among them."""
    budget = period.budget
    begin = dt.datetime.combine(period.start, dt.time(), dt.UTC)
    events = UsageEvent.objects.filter(
        created_at__gte=begin, created_at__lt=budget.resets_at(period.start), **budget.counted()
    )
    return events.filter(user_id=period.member_id) if budget.applies == Budget.Applies.EACH else events
