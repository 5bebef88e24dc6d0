"""The budgets that bind a turn or a person, and the amounts carried over from earlier periods."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterable

from django.db.models import Q, UUIDField

from billing.models import ZERO_UUID, Budget, HoldLine
from billing.payer import Payer
from web.database.compiled import CompiledQuery, Slot

PeriodKey = tuple[uuid.UUID, uuid.UUID, dt.date]
"""Budget, member, start. Rows are locked in this order."""


def budgets_of(targets: Collection[uuid.UUID]) -> list[Budget]:
    """Return the budgets of everyone and of these teams, users and rooms."""
    return list(
        Budget.objects.filter(Q(scope=Budget.Scope.EVERYONE) | Q(target_id__in=set(targets) - {ZERO_UUID}))
    )


BUDGETS_OF_THREE: CompiledQuery[Budget] = CompiledQuery(
    lambda: Budget.objects.filter(
        Q(scope=Budget.Scope.EVERYONE)
        | Q(target_id__in=[Slot(name, UUIDField()) for name in ("first", "second", "third")])
    )
)


def budgets_of_turns(targets: Collection[uuid.UUID]) -> list[Budget]:
    """Like `budgets_of`, with a precompiled query for the team, user and room of a turn."""
    ids = list(set(targets) - {ZERO_UUID})
    if not 1 <= len(ids) <= 3:
        return budgets_of(ids)
    first, second, third = (ids * 3)[:3]
    return BUDGETS_OF_THREE(first=first, second=second, third=third)


def own_periods(budgets: Iterable[Budget]) -> set[tuple[uuid.UUID, str]]:
    """Return (user, period) of budgets of single users: these override per-member budgets of the same period."""
    return {(budget.target_id, budget.period) for budget in budgets if budget.scope == Budget.Scope.USER}


def hard_budgets(payer: Payer) -> list[Budget]:
    """Return the hard budgets that bind a turn of this payer."""
    budgets = budgets_of_turns([payer.team_id, payer.user_id, payer.room_id])
    return [budget for budget in binding_budgets(budgets, payer.user_id) if budget.hard]


def binding_budgets(budgets: Iterable[Budget], user_id: uuid.UUID) -> list[Budget]:
    """Drop the per-member budgets that a budget of the user's own overrides."""
    budgets = list(budgets)
    own = own_periods(budgets)
    return [
        budget
        for budget in budgets
        if budget.applies == Budget.Applies.TOTAL or (user_id, budget.period) not in own
    ]


def period_key_of(budget: Budget, user_id: uuid.UUID, today: dt.date) -> PeriodKey:
    return budget.pk, budget.member_of(user_id), budget.start_of(today)


def carried_pico(keys: Collection[PeriodKey], today: dt.date) -> dict[tuple[uuid.UUID, uuid.UUID], int]:
    """Return (budget, member) -> pico-USD in open holds of earlier periods: one statement."""
    budgets, members, _ = zip(*keys, strict=True) if keys else ((), (), ())
    lines = HoldLine.objects.carried_over(today)
    return lines.filter(period__budget__in=budgets, period__member_id__in=members).by_member()
