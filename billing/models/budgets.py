"""Budgets: what may be spent in a period, what was, and what running turns have set aside.

What a budget counts is told by its `scope`, `target_id` and `applies` alone; nothing refers to people, teams or rooms
by foreign key. Nothing is ever reset: a new period is a new row.
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
    """Refuse what is no list of different whole percentages from 1 to 1,000 in rising order."""
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

    `total`: one limit for everything in the scope. `each`: every member of the scope has the limit for what they spend
    in it; a user's own budget of the same period takes its place.
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
        default=ZERO_UUID, blank=True, help_text="The team, user or room; zero for everyone."
    )
    applies = models.CharField(max_length=16, choices=Applies.choices, default=Applies.TOTAL)
    limit_pico = PicoUsdField("limit in USD")
    period = models.CharField(max_length=16, choices=Period.choices, default=Period.MONTH)
    hard = models.BooleanField(
        default=True,
        help_text="Hard: what does not fit is refused before it is asked. Soft: thresholds tell, nothing is refused.",
    )
    thresholds = models.JSONField(
        default=default_thresholds,
        blank=True,
        validators=[valid_thresholds],
        help_text="Percentages of the limit at which people are told, once in each period.",
    )
    counts_from = models.DateField(
        editable=False, help_text="The first day of the first period that is counted."
    )
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
        """Return whose row a user's spending is counted in: the user's own, or the one of all."""
        return user_id if self.applies == self.Applies.EACH else ZERO_UUID

    def counted(self) -> dict[str, uuid.UUID]:
        """Return the filter by which events and rollup rows are counted, members aside."""
        return {} if self.scope == self.Scope.EVERYONE else {f"{self.scope}_id": self.target_id}

    def start_of(self, day: dt.date) -> dt.date:
        """Return the first day of the period that a UTC day lies in."""
        return day if self.period == self.Period.DAY else month_of(day).first

    def resets_at(self, start: dt.date) -> dt.datetime:
        """Return the moment at which the period that begins on `start` is over."""
        last = start if self.period == self.Period.DAY else month_of(start).last
        return dt.datetime.combine(last + dt.timedelta(days=1), dt.time(), dt.UTC)

    def left_pico(self, *, spent_pico: int, held_pico: int) -> int:
        """Return what is left of a period; to what is held belongs what open holds carry over from earlier ones."""
        return max(0, self.limit_pico - spent_pico - held_pico)


class BudgetPeriod(models.Model):
    """What one period of a budget has spent, and what running turns may still spend of it. Pico-USD."""

    id = models.BigAutoField(primary_key=True)
    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="periods")
    member_id = models.UUIDField(default=ZERO_UUID, help_text="Zero for a budget's total.")
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
    """What a turn has set aside of the hard budgets that bind it, until its commit; resolved exactly once."""

    turn_id = models.UUIDField(primary_key=True)
    amount_pico = PicoUsdField("amount", help_text="What the turn's calls may cost: the least of its lines.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [
            # What holds of earlier days have set aside: every accept asks.
            models.Index(fields=["created_at"], name="hold_open", condition=Q(resolved_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"hold of turn {self.turn_id}"


class HoldLineQuerySet(models.QuerySet["HoldLine"]):
    def carried_over(self, today: dt.date) -> HoldLineQuerySet:
        """Keep what open holds have taken of periods that were over before a UTC day.

        Their calls count in the period in which they end, so this is set aside of the one that runs.
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
            (budget, member): int(taken)
            for budget, member, taken in rows.annotate(taken=models.Sum("amount_pico"))
        }


class HoldLine(models.Model):
    """What a hold has taken of one budget period."""

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
    """A threshold that was passed: told once in each period. Those without `mailed_at` are what there is to mail."""

    id = models.BigAutoField(primary_key=True)
    period = models.ForeignKey(BudgetPeriod, on_delete=models.CASCADE, related_name="notices")
    threshold = models.PositiveSmallIntegerField(help_text="Percent of the limit.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    mail_after = models.DateTimeField(
        default=timezone.now, help_text="Not before this moment is it mailed, or tried again."
    )
    mailed_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was mailed, or found to have nobody to be mailed to."
    )

    class Meta:
        ordering: ClassVar = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["period", "threshold"], name="budget_notice_once"),
        ]
        indexes: ClassVar = [
            # What there is to mail: notices_mail() looks every few seconds.
            models.Index(
                fields=["mail_after"], name="budget_notice_to_mail", condition=Q(mailed_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.threshold} % of {self.period}"
