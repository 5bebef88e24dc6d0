"""The only writes to budgets. A new budget starts with what its current period has already spent."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from billing.models import ZERO_UUID, Budget, BudgetPeriod, DailyUsage
from billing.services.budget_lock import lock_budgets_exclusive
from billing.services.spending import notices_add
from web.validation import require_valid

COUNTING_FIELDS = ("scope", "target_id", "applies", "period")
"""The fields that decide which events a budget counts."""


@transaction.atomic
def budget_save(*, budget: Budget) -> Budget:
    """Save a new or changed budget; it binds every turn accepted from then on. Raises ValidationFailed.

    If it counts different events than before, its periods are rebuilt from the rollup. Turns wait meanwhile.
    """
    lock_budgets_exclusive()
    old = Budget.objects.filter(pk=budget.pk).first()
    is_recounted = old is None or any(getattr(old, name) != getattr(budget, name) for name in COUNTING_FIELDS)
    if is_recounted:
        budget.counts_from = budget.start_of(timezone.now().astimezone(dt.UTC).date())
    require_valid(budget)
    budget.save()
    if is_recounted:
        budget.periods.all().delete()
        spent = spent_so_far(budget)
        BudgetPeriod.objects.bulk_create(
            BudgetPeriod(budget=budget, member_id=member, start=budget.counts_from, spent_pico=pico)
            for member, pico in spent.items()
        )
    # A new budget or a lower limit may already be past thresholds: notify about them now.
    today = timezone.now().astimezone(dt.UTC).date()
    current = budget.periods.filter(start=budget.start_of(today), spent_pico__gt=0)
    if budget.applies == Budget.Applies.EACH:
        user_budgets = Budget.objects.filter(scope=Budget.Scope.USER, period=budget.period)
        current = current.exclude(member_id__in=user_budgets.values("target_id"))
    notices_add((budget, row.pk, 0, row.spent_pico) for row in current)
    return budget


@transaction.atomic
def budget_delete(*, budget: Budget) -> None:
    """Delete a budget with its periods; running turns keep their holds."""
    lock_budgets_exclusive()
    budget.delete()


def spent_so_far(budget: Budget) -> dict[uuid.UUID, int]:
    """Return member -> pico-USD spent in the period that starts on `counts_from`, from the rollup."""
    end = budget.resets_at(budget.counts_from).date()
    days = DailyUsage.objects.filter(day__gte=budget.counts_from, day__lt=end).order_by()
    days = days.filter(**budget.usage_filter())
    if budget.applies == Budget.Applies.TOTAL:
        return {ZERO_UUID: days.aggregate(spent=Sum("cost_pico"))["spent"] or 0}
    members = days.values_list("user_id").annotate(spent=Sum("cost_pico"))
    return {member: int(spent) for member, spent in members if spent}
