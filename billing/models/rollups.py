"""The rollups: sums of usage events that reports read instead of the ledger."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from billing.fields import PicoUsdField
from billing.models.bucket_columns import INPUT_TOKENS
from billing.models.ledger import ZERO_UUID


class UsageSums(models.Model):
    """Usage and cost of some calls."""

    calls = models.BigIntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    cache_read_tokens = models.BigIntegerField(default=0)
    cache_write_5m_tokens = models.BigIntegerField(default=0)
    cache_write_1h_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    reasoning_tokens = models.BigIntegerField(default=0)
    cost_pico = PicoUsdField("cost", default=0)
    estimated_cost_pico = PicoUsdField("of which estimated", default=0)
    corrected_cost_pico = PicoUsdField("of which corrections", default=0, db_default=0)
    """What corrections of calls with a price added. Negative if they cost less in the end."""
    unpriced_calls = models.BigIntegerField(default=0)

    class Meta:
        abstract = True

    @property
    def total_input(self) -> int:
        """The providers' total of input tokens."""
        return sum(getattr(self, column) for column in INPUT_TOKENS)


class DailyUsage(UsageSums):
    """Sums of a UTC day's usage events, by every column that reports group by."""

    id = models.BigAutoField(primary_key=True)
    day = models.DateField()
    team_id = models.UUIDField(default=ZERO_UUID)
    user_id = models.UUIDField(default=ZERO_UUID)
    room_id = models.UUIDField(default=ZERO_UUID)
    agent_id = models.UUIDField(default=ZERO_UUID)
    model = models.ForeignKey("orchestration.LlmModel", on_delete=models.PROTECT, related_name="+")
    purpose = models.CharField(max_length=16)
    mode = models.CharField(max_length=16)

    class Meta:
        verbose_name = "daily usage"
        verbose_name_plural = "daily usage"
        ordering: ClassVar = ["-day"]
        constraints: ClassVar = [
            # The key that a commit adds to, and the order in which a range of days is read.
            models.UniqueConstraint(
                fields=["day", "team_id", "user_id", "room_id", "agent_id", "model", "purpose", "mode"],
                name="daily_usage_key",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["user_id", "day"], name="daily_usage_of_user"),  # a person's own usage
            models.Index(
                fields=["room_id", "day"], name="daily_usage_of_room"
            ),  # one room, or the top ones by cost
            models.Index(
                fields=["agent_id", "day"], name="daily_usage_of_agent"
            ),  # one agent, or the top ones by cost
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.model}"


class UsageTotal(UsageSums):
    """Daily usage summed over some key columns or over a week, so that long ranges need few rows.

    `cut` names the columns that are kept (billing/models/rollup_cuts.py); the others are the zero UUID or "". The `day`
    of a weekly row is its Monday.
    """

    id = models.BigAutoField(primary_key=True)
    orchestration_cost_pico = PicoUsdField("of which orchestration", default=0)
    day = models.DateField()
    team_id = models.UUIDField(default=ZERO_UUID)
    user_id = models.UUIDField(default=ZERO_UUID)
    room_id = models.UUIDField(default=ZERO_UUID)
    agent_id = models.UUIDField(default=ZERO_UUID)
    model_id = models.UUIDField(default=ZERO_UUID)
    cut = models.CharField(max_length=16)
    purpose = models.CharField(max_length=16, blank=True)
    mode = models.CharField(max_length=16, blank=True)

    class Meta:
        verbose_name = "usage total"
        ordering: ClassVar = ["-day", "cut"]
        constraints: ClassVar = [
            # The key that a commit adds to, and the order in which a range of days is read.
            models.UniqueConstraint(
                fields=[
                    *(
                        "cut",
                        "day",
                        "team_id",
                        "user_id",
                        "room_id",
                        "agent_id",
                        "model_id",
                        "purpose",
                        "mode",
                    )
                ],
                name="usage_total_key",
            )
        ]
        # One person, room or agent, or the top ones by cost.
        indexes: ClassVar = [
            models.Index(
                fields=["cut", f"{name}_id", "day"],
                name=f"usage_total_of_{name}",
                condition=Q(cut__in=[name, f"week:{name}", "week:all"]),
            )
            for name in ("user", "room", "agent")
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.cut}"
