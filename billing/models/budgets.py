"""Budgets: limits per period, amounts spent, and amounts held by running turns.

`scope`, `target_id` and `applies` alone decide what a budget counts; there are no foreign keys to people, teams or
rooms. Nothing is ever reset: each period has its own row.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone

from billing.days import month_of
from billing.fields import PicoUsdField
from billing.models.ledger import ZERO_UUID

MAX_THRESHOLDS = 10


def default_thresholds() -> list[int]:
    return [50, 80, 100]


def valid_thresholds(value: Any) -> None:
    """Validate a rising list of distinct whole percentages from 1 to 1,000. Raises ValidationError."""
    numbers = value if isinstance(value, list) else None
    if (
        numbers is None
        or len(numbers) > MAX_THRESHOLDS
        or not all(type(number) is int and 1 <= number <= 1000 for number in numbers)
        or numbers != sorted(set(numbers))
    ):
        raise ValidationError(
            f"Thresholds are at most {MAX_THRESHOLDS} whole percentages from 1 to 1000, rising, such as [50, 80, 100]."
        )


class Budget(models.Model):
    """A limit in USD per UTC day or month.

    `total`: one limit for everything in the scope. `each`: the limit applies to each member of the scope separately;
    a user's own budget of the same period overrides it.
    """

    class Scope(models.TextChoices):
        EVERYONE = "everyone"
        TEAM = "team"
        USER = "user"
        ROOM = "room"

    class Applies(models.TextChoices):
        TOTAL = "total"
        EACH = "each", "each member"

    class Period(models.TextChoices):
        DAY = "day"
        MONTH = "month"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    scope = models.CharField(max_length=16, choices=Scope.choices)
    target_id = models.UUIDField(
        default=ZERO_UUID, blank=True, help_text="The team, user or room; zero: everyone."
    )
    applies = models.CharField(max_length=16, choices=Applies.choices, default=Applies.TOTAL)
    limit_pico = PicoUsdField("limit in USD")
    period = models.CharField(max_length=16, choices=Period.choices, default=Period.MONTH)
    hard = models.BooleanField(
        default=True,
        help_text="Hard limit: blocks requests that could exceed it. Soft limit: alerts only.",
    )
    thresholds = models.JSONField(
        default=default_thresholds,
        blank=True,
        validators=[valid_thresholds],
        help_text="Alert at these percentages (once per period).",
    )
    counts_from = models.DateField(editable=False, help_text="First day of the first counted period.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["scope", "created_at"]
        constraints: ClassVar = [
            models.CheckConstraint(name="budget_limit_not_negative", condition=Q(limit_pico__gte=0)),
            models.CheckConstraint(
                name="budget_target_fits_scope",
                condition=Q(scope="everyone", target_id=ZERO_UUID)
                | (~Q(scope="everyone") & ~Q(target_id=ZERO_UUID)),
            ),
            models.CheckConstraint(
                name="budget_user_is_total", condition=~Q(scope="user") | Q(applies="total")
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["scope", "target_id"], name="budget_of")]

    def __str__(self) -> str:
        member = " for each member" if self.applies == self.Applies.EACH else ""
        whose = self.scope if self.target_id == ZERO_UUID else f"{self.scope} {self.target_id}"
        return f"{'hard' if self.hard else 'soft'} budget per {self.period} of {whose}{member}"

    def member_of(self, user_id: uuid.UUID) -> uuid.UUID:
        """Return the `member_id` of the row that counts a user's spending: zero for a total budget."""
        return user_id if self.applies == self.Applies.EACH else ZERO_UUID

    def usage_filter(self) -> dict[str, uuid.UUID]:
        """Return the filter of the events and rollup rows that the budget counts, members aside."""
        return {} if self.scope == self.Scope.EVERYONE else {f"{self.scope}_id": self.target_id}

    def start_of(self, day: dt.date) -> dt.date:
        """Return the first day of the period that a UTC day lies in."""
        return day if self.period == self.Period.DAY else month_of(day).first

    def resets_at(self, start: dt.date) -> dt.datetime:
        """Return the end of the period that begins on `start`."""
        last = start if self.period == self.Period.DAY else month_of(start).last
        return dt.datetime.combine(last + dt.timedelta(days=1), dt.time(), dt.UTC)

    def left_pico(self, *, spent_pico: int, held_pico: int) -> int:
        """Return what is left of a period. `held_pico` must include open holds carried over from earlier ones."""
        return max(0, self.limit_pico - spent_pico - held_pico)


class BudgetPeriod(models.Model):
    """Amounts spent and held in one period of a budget. Pico-USD."""

    id = models.BigAutoField(primary_key=True)
    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="periods")
    member_id = models.UUIDField(default=ZERO_UUID, help_text="Zero for a total budget.")
    start = models.DateField(help_text="The period's first day, UTC.")
    spent_pico = PicoUsdField("spent", default=0)
    held_pico = PicoUsdField("held", default=0)

    class Meta:
        ordering: ClassVar = ["budget", "member_id", "start"]
        constraints: ClassVar = [
            # The key that a commit adds to, and the order in which rows are locked.
            models.UniqueConstraint(fields=["budget", "member_id", "start"], name="budget_period_once"),
        ]

    def __str__(self) -> str:
        return f"{self.budget} from {self.start}"


class Hold(models.Model):
    """The amount that a turn reserves from hard budgets until its commit. Resolved exactly once."""

    turn_id = models.UUIDField(primary_key=True)
    amount_pico = PicoUsdField(
        "amount", help_text="The most that the turn's calls may cost: the smallest of its lines."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [
            # `carried_over`, in every accept.
            models.Index(fields=["created_at"], name="hold_open", condition=Q(resolved_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"hold of turn {self.turn_id}"


class HoldLineQuerySet(models.QuerySet["HoldLine"]):
    def carried_over(self, today: dt.date) -> HoldLineQuerySet:
        """Filter to lines of open holds whose period ended before a UTC day.

        Calls count in the period in which they end, so these amounts are held of the current period.
        """
        over = Q(period__budget__period=Budget.Period.DAY, period__start__lt=today) | Q(
            period__budget__period=Budget.Period.MONTH, period__start__lt=month_of(today).first
        )
        made_before = dt.datetime.combine(today, dt.time(), dt.UTC)
        return self.filter(over, hold__resolved_at=None, hold__created_at__lt=made_before)

    def by_member(self) -> dict[tuple[uuid.UUID, uuid.UUID], int]:
        """Return (budget, member) -> pico-USD: one statement."""
        rows = self.order_by().values_list("period__budget_id", "period__member_id")
        return {
            (budget, member): int(amount)
            for budget, member, amount in rows.annotate(amount=models.Sum("amount_pico"))
        }


class HoldLine(models.Model):
    """The amount that a hold reserves from one budget period."""

    id = models.BigAutoField(primary_key=True)
    hold = models.ForeignKey(Hold, on_delete=models.CASCADE, related_name="lines")
    period = models.ForeignKey(BudgetPeriod, on_delete=models.CASCADE, related_name="lines")
    amount_pico = PicoUsdField("amount")

    objects = HoldLineQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["hold", "period"], name="hold_line_once"),
            models.CheckConstraint(name="hold_line_not_negative", condition=Q(amount_pico__gte=0)),
        ]

    def __str__(self) -> str:
        return f"{self.hold} on {self.period}"


class BudgetNotice(models.Model):
    """A passed threshold, noted once per period. Rows without `mailed_at` are still to be mailed."""

    id = models.BigAutoField(primary_key=True)
    period = models.ForeignKey(BudgetPeriod, on_delete=models.CASCADE, related_name="notices")
    threshold = models.PositiveSmallIntegerField(help_text="Percent of the limit.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    mail_after = models.DateTimeField(
        default=timezone.now, help_text="Earliest time to mail it, or to retry."
    )
    mailed_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was mailed, or found to be obsolete or without recipients."
    )

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["period", "threshold"], name="budget_notice_once"),
        ]
        indexes: ClassVar = [
            # `notices_mail` polls for due notices every few seconds.
            models.Index(
                fields=["mail_after"], name="budget_notice_to_mail", condition=Q(mailed_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.threshold}% of {self.period}"
