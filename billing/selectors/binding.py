"""Which budgets bind whom, and what is held of them."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterable

from django.db.models import Q, UUIDField

from billing.models import ZERO_UUID, Budget, HoldLine
from billing.payer import Payer
from web.compiled import CompiledQuery, Slot

PeriodKey = tuple[uuid.UUID, uuid.UUID, dt.date]
"""Budget, member, start: in this order rows are locked."""


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
    """Return the same, without compiling it for the team, the user and the room of a turn."""
    wanted = list(set(targets) - {ZERO_UUID})
    if not 1 <= len(wanted) <= 3:
        return budgets_of(wanted)
    first, second, third = (wanted * 3)[:3]
    return BUDGETS_OF_THREE(first=first, second=second, third=third)


def own_periods(budgets: Iterable[Budget]) -> set[tuple[uuid.UUID, str]]:
    """Return (user, period) for which a user has a budget of their own, which overrides those for each member."""
    return {(budget.target_id, budget.period) for budget in budgets if budget.scope == Budget.Scope.USER}


def hard_budgets(payer: Payer) -> list[Budget]:
    """Return the hard budgets that bind a turn of this payer; a user's own takes the place of those for each member."""
    budgets = budgets_of_turns([payer.team_id, payer.user_id, payer.room_id])
    return [budget for budget in binding(budgets, payer.user_id) if budget.hard]


def binding(budgets: Iterable[Budget], user_id: uuid.UUID) -> list[Budget]:
    """Return the budgets of a user without those for each member that a budget of their own overrides."""
    budgets = list(budgets)
    own = own_periods(budgets)
    return [
        budget
        for budget in budgets
        if budget.applies == Budget.Applies.TOTAL or (user_id, budget.period) not in own
    ]


def key_of(budget: Budget, user_id: uuid.UUID, today: dt.date) -> PeriodKey:
    return budget.pk, budget.member_of(user_id), budget.start_of(today)


def carried_pico(keys: Collection[PeriodKey], today: dt.date) -> dict[tuple[uuid.UUID, uuid.UUID], int]:
    """Return (budget, member) -> what open holds of earlier periods have set aside: one statement."""
    budgets, members, _ = zip(*keys, strict=True) if keys else ((), (), ())
    lines = HoldLine.objects.carried_over(today)
    return lines.filter(period__budget__in=budgets, period__member_id__in=members).by_member()
