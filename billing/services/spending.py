"""What budgets have spent: each event is added to its budget periods in the transaction that writes it.

Commits read budgets under a shared lock; a change of what a budget counts takes the lock exclusively
(`lock_budgets_exclusive`). So a period's row either exists and is added to, or starts with the sum of the rollup.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from billing.models import Budget, BudgetNotice, BudgetPeriod, Hold, UsageEvent
from billing.selectors.binding import PeriodKey, budgets_of_turns, own_periods
from web.compiled import Bound, together


@dataclass(slots=True)
class Change:
    """What a commit adds to a budget period, in pico-USD."""

    spent: int = 0
    held: int = 0


class Standing(NamedTuple):
    """A budget period's row after an addition. Pico-USD."""

    id: int
    spent: int
    held: int


CHANGEOVER = dt.timedelta(seconds=10)
"""Holds are taken one at a time this long before and after the end of a UTC day."""


BUDGETS_LOCK = 0x70616E62
"""PostgreSQL's advisory lock number for what budgets count."""


def lock_budgets_exclusive() -> None:
    """Block accepts and commits of turns until this transaction ends. Readers are not blocked."""
    together(*budgets_exclusive_lock())


def budgets_exclusive_lock() -> list[Bound]:
    """Return the statement that takes the budgets' lock exclusively; SQLite has one writer and needs none."""
    return [("SELECT pg_advisory_xact_lock(%s)", [BUDGETS_LOCK])] if connection.vendor == "postgresql" else []


def budgets_shared_lock() -> list[Bound]:
    """Return the statement that shares the budgets' lock until the transaction ends.

    Read budgets in a later statement: only that one sees what the last exclusive holder committed.
    """
    if connection.vendor != "postgresql":
        return []
    return [("SELECT pg_advisory_xact_lock_shared(%s)", [BUDGETS_LOCK])]


def budgets_hold_lock() -> list[Bound]:
    """Return the statement that locks the budgets before a hold is taken: exclusive near the end of a day, else shared.

    The first hold of a period must see the last holds of the period before, and there may be no row that both lock.
    """
    return budgets_exclusive_lock() if is_near_day_end(timezone.now()) else budgets_shared_lock()


def is_near_day_end(now: dt.datetime) -> bool:
    before, after = (now.astimezone(dt.UTC) + by for by in (-CHANGEOVER, CHANGEOVER))
    return before.date() != after.date()


def spending_add(*, events: Sequence[UsageEvent], turn_id: uuid.UUID | None = None) -> None:
    """Add events to every budget period they count in, and resolve the hold of the turn they end.

    Inside the transaction that writes the events, after a statement that took the budgets' lock. A fixed number of
    statements, however many events.
    """
    targets = {target for event in events for target in targets_of(event)}
    budgets = budgets_of_turns(targets) if events else []
    changes: dict[PeriodKey, Change] = defaultdict(Change)
    for event in events:
        for budget in budgets:
            key = period_key_for(budget, event)
            if key is not None and event.cost_pico:
                changes[key].spent += event.cost_pico
    if turn_id is not None:
        hold_release(turn_id, changes)
    after = periods_add(changes)
    overridden = own_periods(budgets)
    notices_add(
        (budget, after[key].id, after[key].spent - change.spent, after[key].spent)
        for budget in budgets
        for key, change in changes.items()
        if key[0] == budget.pk
        and not (budget.applies == Budget.Applies.EACH and (key[1], budget.period) in overridden)
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


def hold_release(turn_id: uuid.UUID, changes: dict[PeriodKey, Change]) -> None:
    """Resolve the turn's hold, if any, and return its amounts. The turn's fence keeps other processes out."""
    hold = Hold.objects.filter(turn_id=turn_id, resolved_at=None)
    # A hold whose budgets were deleted has no lines: the outer join gives one row of Nones.
    lines = list(
        hold.values_list(
            "lines__period__budget_id",
            "lines__period__member_id",
            "lines__period__start",
            "lines__amount_pico",
        )
    )
    for budget, member, start, amount in lines:
        if budget is not None:
            changes[budget, member, start].held -= amount
    if lines:
        hold.update(resolved_at=timezone.now())


def periods_add(changes: Mapping[PeriodKey, Change]) -> dict[PeriodKey, Standing]:
    """Add to periods in one statement, creating missing ones; return them after the addition, locked.

    Raw SQL because the ORM's upsert can only replace, not add.
    """
    if not changes:
        return {}
    table = BudgetPeriod._meta.db_table
    fields: list[Any] = [BudgetPeriod._meta.get_field(name) for name in ("budget", "member_id", "start")]
    # Sorted so that all transactions lock the rows in one order: otherwise two commits deadlock.
    ordered = sorted(changes.items(), key=lambda item: [str(part) for part in item[0]])
    params: list[Any] = []
    for key, change in ordered:
        params += [field.get_db_prep_value(part, connection) for field, part in zip(fields, key, strict=True)]
        params += [change.spent, change.held]
    sql = (
        f"INSERT INTO {table} (budget_id, member_id, start, spent_pico, held_pico) "
        f"VALUES {', '.join(['(%s, %s, %s, %s, %s)'] * len(ordered))} "
        f"ON CONFLICT (budget_id, member_id, start) DO UPDATE "
        f"SET spent_pico = {table}.spent_pico + EXCLUDED.spent_pico, "
        f"held_pico = {table}.held_pico + EXCLUDED.held_pico "
        f"RETURNING budget_id, member_id, start, id, spent_pico, held_pico"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return {
            (_uuid(budget), _uuid(member), _date(start)): Standing(*row)
            for budget, member, start, *row in cursor.fetchall()
        }


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


def _uuid(value: Any) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))


def _date(value: Any) -> dt.date:
    return value if isinstance(value, dt.date) else dt.date.fromisoformat(value)
