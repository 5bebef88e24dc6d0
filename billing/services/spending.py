"""What budgets have spent: each event is added to its budget periods in the transaction that writes it.

Budgets are read under a lock that all commits share (`billing/services/budget_lock.py`).
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence

from billing.models import Budget, BudgetNotice, UsageEvent
from billing.selectors.binding import PeriodKey, budgets_of_turns, own_periods
from billing.services.holds import hold_release
from billing.services.periods import PeriodChange, periods_add


def spending_add(*, events: Sequence[UsageEvent], turn_id: uuid.UUID | None = None) -> None:
    """Add events to every budget period they count in, and resolve the hold of the turn they end.

    Inside the transaction that writes the events, after a statement that took the budgets' lock. A fixed number of
    statements, however many events.
    """
    targets = {target for event in events for target in targets_of(event)}
    budgets = budgets_of_turns(targets) if events else []
    changes: dict[PeriodKey, PeriodChange] = defaultdict(PeriodChange)
    for event in events:
        for budget in budgets:
            key = period_key_for(budget, event)
            if key is not None and event.cost_pico:
                changes[key].spent += event.cost_pico
    for key, amount in hold_release(turn_id).items() if turn_id else ():
        changes[key].held -= amount
    after = periods_add(changes)
    own = own_periods(budgets)
    notices_add(
        (budget, after[key].id, after[key].spent - change.spent, after[key].spent)
        for budget in budgets
        for key, change in changes.items()
        if key[0] == budget.pk
        and not (budget.applies == Budget.Applies.EACH and (key[1], budget.period) in own)
    )


def targets_of(event: UsageEvent) -> tuple[uuid.UUID, ...]:
    return event.team_id, event.user_id, event.room_id


def period_key_for(budget: Budget, event: UsageEvent) -> PeriodKey | None:
    """Return the period of a budget that an event counts in, None if it does not count."""
    start = budget.start_of(event.created_at.astimezone(dt.UTC).date())
    is_counted = all(getattr(event, column) == target for column, target in budget.usage_filter().items())
    if not is_counted or start < budget.counts_from:
        return None
    return budget.pk, budget.member_of(event.user_id), start


def notices_add(rows: Iterable[tuple[Budget, int, int, int]]) -> None:
    """Record passed thresholds. `rows`: (budget, period id, spent before, spent after) of each period."""
    notices = [
        BudgetNotice(period_id=period_id, threshold=threshold)
        for budget, period_id, before, after in rows
        for threshold in budget.thresholds
        if before * 100 < threshold * budget.limit_pico <= after * 100
    ]
    if notices:
        # A saved budget, or spending after its limit was raised, passes a threshold again: once per period counts.
        BudgetNotice.objects.bulk_create(notices, ignore_conflicts=True)
