"""Audits that compare row by row: events that differ from their calls, and missing budget periods.

Parts of invariants 2 and 4 in `sessions.selectors.ledger_audit`.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

from django.db.models import DateField, Exists, F, OuterRef, Sum, UUIDField, Value
from django.db.models.functions import Cast, TruncMonth

from billing.models import ZERO_UUID, Budget, BudgetPeriod, DailyUsage, UsageEvent
from billing.pricing import OUT_OF_RANGE
from billing.selectors.budgets import events_of_period
from orchestration.engine.specs import UsageReport
from sessions.models import Call

BATCH = 500
"""Number of calls compared with their events at a time."""


def disagreements() -> Iterator[str]:
    """Yield the events that contradict their call; calls without an event are reported elsewhere."""
    calls = (
        Call.objects.filter(committed=True)
        .order_by("pk")
        .only("turn_id", "status", "model_id", "usage", "context")
    )
    rows = calls.iterator(chunk_size=BATCH)
    while batch := list(itertools.islice(rows, BATCH)):
        events = UsageEvent.objects.calls().defer("raw_usage").in_bulk([call.pk for call in batch])
        for call in batch:
            event = events.get(call.pk)
            if event is None or event.turn_id != call.turn_id:
                continue
            made, billed = facts_of_call(call, event), facts_of_event(event)
            different = [name for name in billed if made.get(name) != billed[name]]
            if different:
                yield f"event {event.pk} differs from its call: {', '.join(different)}"


def facts_of_call(call: Call, event: UsageEvent) -> dict[str, Any]:
    """Return the expected fields of an event: the call's bound if the provider's counts are garbage."""
    facts = {"status": call.status, "model": call.model_id}
    if call.usage is None:
        return facts
    report = UsageReport.from_dict(call.usage)
    if OUT_OF_RANGE in event.flags and event.cost_pico is not None:
        return {**facts, "source": UsageEvent.Source.ESTIMATED, **dataclasses.asdict(call.bound)}
    reasoning = min(report.usage.reasoning, report.usage.output)  # as it is billed
    return {
        **facts,
        "source": report.source,
        **dataclasses.asdict(dataclasses.replace(report.usage, reasoning=reasoning)),
    }


def facts_of_event(event: UsageEvent) -> dict[str, Any]:
    return {
        "status": event.status,
        "model": event.model_id,
        "source": event.source,
        **dataclasses.asdict(event.usage),
    }


def missing_periods() -> Iterator[str]:
    """Yield missing periods in which a budget has spent something.

    They are found in the rollup, which is short, and confirmed by the events.
    """
    for budget in Budget.objects.order_by("pk").iterator():
        each, monthly = budget.applies == Budget.Applies.EACH, budget.period == Budget.Period.MONTH
        member: Any = F("user_id") if each else Value(ZERO_UUID, UUIDField())
        start: Any = Cast(TruncMonth("day"), DateField()) if monthly else F("day")
        usage = DailyUsage.objects.filter(
            day__gte=budget.counts_from, cost_pico__gt=0, **budget.usage_filter()
        )
        stored = BudgetPeriod.objects.filter(
            budget=budget, member_id=OuterRef("member"), start=OuterRef("start")
        )
        missing = usage.annotate(member=member, start=start).exclude(Exists(stored))
        keys = missing.order_by("start", "member").values_list("member", "start").distinct()
        for user_id, first in keys.iterator(chunk_size=BATCH):
            period = BudgetPeriod(budget=budget, member_id=user_id, start=first)
            if is_missing(period):
                whose = f" for user {user_id}" if each else ""
                yield f"budget {budget.pk}: no period from {first}{whose}"


def is_missing(period: BudgetPeriod) -> bool:
    """Check again in the current state: a change of what a budget counts rebuilds its periods."""
    old = period.budget
    same = Budget.objects.filter(
        pk=old.pk, scope=old.scope, target_id=old.target_id, applies=old.applies, period=old.period
    )
    if not same.filter(counts_from=old.counts_from).exists():
        return False
    stored = BudgetPeriod.objects.filter(budget=old, member_id=period.member_id, start=period.start)
    return not stored.exists() and bool(events_of_period(period).aggregate(sum=Sum("cost_pico"))["sum"])
