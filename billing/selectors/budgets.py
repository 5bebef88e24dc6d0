"""Reads of budgets: the ones that bind a person, and how full each is."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import (
    Exists,
    F,
    FilteredRelation,
    FloatField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Window,
)
from django.db.models.aggregates import Count
from django.db.models.functions import Cast, Coalesce, NullIf, RowNumber

from accounts.models import User
from billing.days import month_of
from billing.models import ZERO_UUID, Budget, BudgetNotice, BudgetPeriod, HoldLine, UsageEvent
from billing.models.budgets import MAX_THRESHOLDS
from billing.ports import known_rooms
from billing.selectors.binding import binding_budgets
from billing.selectors.labels import labels_for

MEMBERS = 5
"""Members shown of a per-member budget, the fullest first."""


@dataclass(frozen=True, slots=True)
class Fill:
    """A budget's spent and held amounts in one period. Pico-USD."""

    budget: Budget
    member_id: uuid.UUID
    """Zero for a total budget."""
    start: dt.date
    spent_pico: int = 0
    held_pico: int = 0
    """The amount in open holds, including those carried over from earlier periods."""

    @property
    def available_pico(self) -> int:
        return self.budget.left_pico(spent_pico=self.spent_pico, held_pico=self.held_pico)

    @property
    def percent(self) -> Decimal:
        """Spent amount in percent of the limit, rounded down to one decimal; 100 if the limit is 0."""
        limit = self.budget.limit_pico
        return Decimal(self.spent_pico * 1000 // limit) / 10 if limit else Decimal(100)

    @property
    def passed(self) -> int | None:
        """The highest threshold reached, None if none is."""
        limit = self.budget.limit_pico
        reached = [
            threshold for threshold in self.budget.thresholds if self.spent_pico * 100 >= threshold * limit
        ]
        return max(reached, default=None) if self.spent_pico else None

    @property
    def starts_at(self) -> dt.datetime:
        return dt.datetime.combine(self.start, dt.time(), dt.UTC)

    @property
    def resets_at(self) -> dt.datetime:
        return self.budget.resets_at(self.start)


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget in its current period, with the fullest members if it is per member."""

    budget: Budget
    current: Fill
    """The total, or the fullest member's of a per-member budget."""
    fullest: Sequence[Fill] = ()
    members: int = 0
    """Number of members with a row in the period."""


def in_current_period(today: dt.date) -> Q:
    """Return the condition that a budget period contains a UTC day."""
    return Q(budget__period=Budget.Period.DAY, start=today) | Q(
        budget__period=Budget.Period.MONTH, start=month_of(today).first
    )


def not_overridden() -> Q:
    """Return the condition that a budget period binds its member: a user's own budget overrides per-member ones."""
    own = Budget.objects.filter(
        scope=Budget.Scope.USER, target_id=OuterRef("member_id"), period=OuterRef("budget__period")
    )
    return Q(budget__applies=Budget.Applies.TOTAL) | ~Q(Exists(own))


def states_of(budgets: Iterable[Budget], *, today: dt.date, members: int = MEMBERS) -> list[BudgetState]:
    """Return the current state of budgets, in the same order: two statements."""
    budgets = list(budgets)
    if not budgets:
        return []
    of_budget: dict[str, Any] = {"partition_by": F("budget_id")}
    rows = (
        BudgetPeriod.objects.filter(
            in_current_period(today), not_overridden(), budget__in=[budget.pk for budget in budgets]
        )
        .annotate(
            place=Window(
                RowNumber(),
                order_by=[F("spent_pico").desc(), F("held_pico").desc(), F("member_id").asc()],
                **of_budget,
            ),
            members=Window(Count("*"), **of_budget),
        )
        .filter(place__lte=members)
        .order_by("budget_id", "place")
        .values_list("budget_id", "member_id", "spent_pico", "held_pico", "members")
    )
    by_budget: dict[uuid.UUID, list[tuple[uuid.UUID, int, int, int]]] = defaultdict(list)
    for budget_id, *row in rows:
        by_budget[budget_id].append(tuple(row))
    carried = HoldLine.objects.carried_over(today).filter(period__budget__in=budgets).by_member()
    return [state_of(budget, by_budget[budget.pk], carried, budget.start_of(today)) for budget in budgets]


def state_of(
    budget: Budget,
    rows: Sequence[tuple[uuid.UUID, int, int, int]],
    carried: Mapping[tuple[uuid.UUID, uuid.UUID], int],
    start: dt.date,
) -> BudgetState:
    fills = [
        Fill(budget, member, start, spent, held + carried.get((budget.pk, member), 0))
        for member, spent, held, _ in rows
    ]
    current = fills[0] if fills else Fill(budget, ZERO_UUID, start, 0, carried.get((budget.pk, ZERO_UUID), 0))
    if budget.applies == Budget.Applies.TOTAL:
        return BudgetState(budget, current)
    return BudgetState(budget, current, fills, rows[0][3] if rows else 0)


def fullest_budgets(*, today: dt.date, limit: int) -> list[Budget]:
    """Return the fullest budgets, ordered by spent share of the limit: one statement."""
    rows = BudgetPeriod.objects.filter(in_current_period(today), not_overridden(), budget=OuterRef("pk"))
    spent = Cast(Coalesce(Subquery(rows.order_by("-spent_pico").values("spent_pico")[:1]), 0), FloatField())
    share = Coalesce(spent / NullIf(Cast("limit_pico", FloatField()), 0.0), 1.0)
    # Floats are only used for the order, never shown.
    return list(Budget.objects.annotate(share=share).order_by("-share", "scope", "created_at")[:limit])


def own_fills(user: User, *, today: dt.date) -> list[Fill]:
    """Return the current state of the budgets that bind a person, the fullest first: one statement.

    These are their own budgets and those of everyone, their team and their rooms, without overridden per-member ones.
    """
    targets = Q(scope=Budget.Scope.EVERYONE) | Q(scope=Budget.Scope.USER, target_id=user.pk)
    targets |= Q(scope=Budget.Scope.ROOM, target_id__in=known_rooms().owned_by(user.pk))
    if user.team_id is not None:
        targets |= Q(scope=Budget.Scope.TEAM, target_id=user.team_id)
    own_period = Q(applies=Budget.Applies.TOTAL, periods__member_id=ZERO_UUID) | Q(
        applies=Budget.Applies.EACH, periods__member_id=user.pk
    )
    now = Q(period=Budget.Period.DAY, periods__start=today) | Q(
        period=Budget.Period.MONTH, periods__start=month_of(today).first
    )
    lines = HoldLine.objects.carried_over(today).filter(
        period__budget=OuterRef("pk"), period__member_id__in=[ZERO_UUID, user.pk]
    )
    carried = lines.order_by().values("period__budget").annotate(sum=Sum("amount_pico")).values("sum")
    rows: Any = Budget.objects.filter(targets).annotate(
        now=FilteredRelation("periods", condition=own_period & now),
        spent=Coalesce(F("now__spent_pico"), 0),
        held=Coalesce(F("now__held_pico"), 0) + Coalesce(Subquery(carried), 0),
    )
    budgets: list[Any] = binding_budgets(rows, user.pk)
    fills = [Fill(row, row.member_of(user.pk), row.start_of(today), row.spent, row.held) for row in budgets]
    return sorted(fills, key=lambda fill: (-fill.percent, not fill.budget.hard, fill.budget.created_at))


def urgent_fill(user: User, *, today: dt.date) -> Fill | None:
    """Return the fullest budget that binds a person and has passed a threshold, if any: one statement."""
    return next((fill for fill in own_fills(user, today=today) if fill.passed is not None), None)


def target_names(budgets: Iterable[Budget]) -> Mapping[uuid.UUID, str]:
    """Return target -> name (email for people). One statement per scope, one for deleted rooms."""
    ids_by_scope: dict[str, set[uuid.UUID]] = defaultdict(set)
    for budget in budgets:
        ids_by_scope[budget.scope].add(budget.target_id)
    ids_by_scope.pop(Budget.Scope.EVERYONE, None)
    names: dict[uuid.UUID, str] = {}
    if rooms := ids_by_scope.pop(Budget.Scope.ROOM, None):
        names = known_rooms().names(rooms)
        ids_by_scope["room"] = rooms - names.keys()
    return names | labels_by_id(ids_by_scope)


def people_of(states: Iterable[BudgetState]) -> Mapping[uuid.UUID, str]:
    """Return member -> email address of the listed members: at most one statement."""
    members = {fill.member_id for state in states for fill in state.fullest}
    return labels_by_id({"user": members})


def labels_by_id(ids: Mapping[str, Iterable[uuid.UUID]]) -> dict[uuid.UUID, str]:
    """Return id -> label. `ids`: group -> ids."""
    labels = labels_for(ids)
    return {key: labels[group, key] for group, keys in ids.items() for key in keys}


def newest_notices(limit: int) -> list[BudgetNotice]:
    """Return the newest notice of each period, with their budgets: one statement."""
    notices = BudgetNotice.objects.select_related("period__budget").order_by("-pk")
    newest: dict[int, BudgetNotice] = {}
    for notice in notices[: limit * MAX_THRESHOLDS]:
        newest.setdefault(notice.period_id, notice)
    return list(newest.values())[:limit]


def notice_names(notices: Iterable[BudgetNotice]) -> Mapping[uuid.UUID, str]:
    """Return the names of the notices' targets and members, by id."""
    periods = [notice.period for notice in notices]
    members = {period.member_id for period in periods} - {ZERO_UUID}
    return {**target_names(period.budget for period in periods), **labels_by_id({"user": members})}


def events_of_period(period: BudgetPeriod) -> QuerySet[UsageEvent]:
    """Return the events that a budget period counts, including corrections."""
    budget = period.budget
    begin = dt.datetime.combine(period.start, dt.time(), dt.UTC)
    events = UsageEvent.objects.filter(
        created_at__gte=begin, created_at__lt=budget.resets_at(period.start), **budget.usage_filter()
    )
    return events.filter(user_id=period.member_id) if budget.applies == Budget.Applies.EACH else events
