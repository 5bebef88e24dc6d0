"""The ledger: prices and usage events.

The only foreign key out of this package is to the catalogue's model. People, teams, rooms and agents are stored as
UUIDs with their name at the time, so that the ledger outlives them. Erasing a person blanks the names of their rooms
and agents.
"""

from __future__ import annotations

import uuid
from operator import attrgetter
from typing import Any, ClassVar

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.functional import cached_property

from billing.fields import PicoUsdField
from billing.models.bucket_columns import BUCKET_TOKENS, RATES, TOKENS
from billing.models.flags import ANY_FLAG
from orchestration.engine.purposes import purpose_choices, purpose_label
from orchestration.engine.specs import Usage
from web.dates import day_text

ZERO_UUID = uuid.UUID(int=0)
"""Stands for "none" in rollup keys, where NULLs would never be equal."""

MAX_TIER_TOKENS = 2**31 - 1
"""The largest integer that every supported database can store in this column."""

tokens_of = attrgetter(*TOKENS)


class LedgerIsAppendOnly(Exception):
    """An attempt to change or delete a ledger row. Add a correction instead."""


class AppendOnlyQuerySet(models.QuerySet[Any]):
    """A queryset that allows only adding and reading."""

    def update(self, **kwargs: Any) -> int:
        raise LedgerIsAppendOnly(f"{self.model._meta.verbose_name_plural} are never changed: add a row")

    def bulk_update(self, objs: Any, fields: Any, batch_size: int | None = None) -> int:
        raise LedgerIsAppendOnly(f"{self.model._meta.verbose_name_plural} are never changed: add a row")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise LedgerIsAppendOnly(f"{self.model._meta.verbose_name_plural} are never deleted")

    def bulk_create(self, objs: Any, *args: Any, update_conflicts: bool = False, **kwargs: Any) -> Any:
        if update_conflicts:
            raise LedgerIsAppendOnly(f"{self.model._meta.verbose_name_plural} are never changed: add a row")
        return super().bulk_create(objs, *args, **kwargs)


class AppendOnlyModel(models.Model):
    """A row that is written once."""

    objects: ClassVar[models.Manager[Any]] = AppendOnlyQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding or kwargs.get("force_update") or kwargs.get("update_fields"):
            raise LedgerIsAppendOnly(f"{self._meta.verbose_name_plural} are never changed: add a row")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise LedgerIsAppendOnly(f"{self._meta.verbose_name_plural} are never deleted")


class ModelPrice(AppendOnlyModel):
    """A model's rates from a moment on, in pico-USD per token (USD 1 per Mtok = 1,000,000). Insert-only."""

    id = models.UUIDField("ID", primary_key=True, default=uuid.uuid4, editable=False)
    model = models.ForeignKey("orchestration.LlmModel", on_delete=models.PROTECT, related_name="prices")
    effective_from = models.DateTimeField(default=timezone.now)
    min_input_tokens = models.PositiveIntegerField(
        "tier (input ≥)",
        default=0,
        validators=[MaxValueValidator(MAX_TIER_TOKENS)],
        help_text="Applies to calls with at least this many input tokens.",
    )
    input_pico = PicoUsdField("input")
    cache_read_pico = PicoUsdField("cache read")
    cache_write_5m_pico = PicoUsdField("cache write, 5 minutes")
    cache_write_1h_pico = PicoUsdField("cache write, 1 hour")
    output_pico = PicoUsdField("output")
    source = models.CharField(max_length=120)
    checked_at = models.DateTimeField("last verified", default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = "price"
        verbose_name_plural = "price history"
        ordering: ClassVar = ["model", "min_input_tokens", "-effective_from"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="price_not_negative", condition=Q(**{f"{rate}__gte": 0 for rate in RATES})
            ),
        ]
        # The price of a call: model, tier, newest in effect.
        indexes: ClassVar = [
            models.Index(fields=["model", "-min_input_tokens", "-effective_from"], name="price_lookup")
        ]

    def __str__(self) -> str:
        return f"{self.model} from {day_text(self.effective_from, with_year=True)}"


class UsageEventQuerySet(AppendOnlyQuerySet):
    def calls(self) -> UsageEventQuerySet:
        """Keep one row per model call: no corrections."""
        return self.filter(corrects__isnull=True)

    def unpriced(self) -> UsageEventQuerySet:
        """Keep calls without a price, neither their own nor by a correction."""
        corrections = self.model._base_manager.filter(corrects=models.OuterRef("pk"))
        return self.calls().filter(~models.Exists(corrections), cost_pico__isnull=True)

    def flagged(self, kind: str) -> UsageEventQuerySet:
        """Keep calls with a flag of a kind, a key of FLAG_CHOICES."""
        flagged = self.exclude(flags=[])
        if kind == ANY_FLAG:
            return flagged
        # SQLite cannot look into JSON lists; a flag begins after its quotation mark.
        text = Cast("flags", models.TextField())
        return flagged.alias(flags_text=text).filter(flags_text__contains=f'"{kind}')

    def erase_names(self, user_id: uuid.UUID) -> int:
        """Blank a person's names of rooms and agents, the only allowed update. For billing/services/erase.py."""
        named = self.filter(user_id=user_id).exclude(room_name="", agent_key="")
        return models.QuerySet.update(named, room_name="", agent_key="")


class UsageEvent(AppendOnlyModel):
    """One billed model call. Append-only; its id is the call's id, so that writing it twice is impossible.

    A row with `corrects` is not a call but a correction: it adds the cost of an unpriced call once there is a price, or
    the difference to the cost at another price. It has no tokens, so that sums over rows stay sums over calls, and the
    call's `created_at`.
    """

    class Source(models.TextChoices):
        PROVIDER = "provider"
        ESTIMATED = "estimated"
        NONE = "none"

    class Status(models.TextChoices):
        OK = "ok", "OK"
        FAILED = "failed"
        CANCELLED = "cancelled"
        INTERRUPTED = "interrupted"

    id = models.UUIDField("ID", primary_key=True, default=uuid.uuid4, editable=False)
    # No index of its own: the partial constraint `event_correction_order` is one, without the many NULLs.
    corrects = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="corrections", db_index=False
    )
    corrections_before = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Of a correction: how many the call had already."
    )
    cost_before_pico = PicoUsdField(
        "cost before",
        null=True,
        blank=True,
        help_text="Of a correction: the call's cost until then; empty: unpriced.",
    )

    user_id = models.UUIDField()
    team_id = models.UUIDField(default=ZERO_UUID)
    team_name = models.CharField(max_length=120, blank=True)
    token_id = models.UUIDField(null=True, blank=True)
    room_id = models.UUIDField(default=ZERO_UUID)
    room_name = models.CharField(max_length=200, blank=True)
    session_id = models.UUIDField()
    turn_id = models.UUIDField()
    agent_id = models.UUIDField(default=ZERO_UUID)
    agent_key = models.CharField(max_length=64, blank=True)
    mode = models.CharField(max_length=16)
    purpose = models.CharField(max_length=16, choices=purpose_choices)
    round = models.PositiveSmallIntegerField(default=1)
    attempt = models.PositiveSmallIntegerField(default=1)

    provider = models.CharField(max_length=64)
    model = models.ForeignKey(
        "orchestration.LlmModel", on_delete=models.PROTECT, related_name="+", db_index=False
    )  # event_of_model is its index
    model_asked = models.CharField("requested model", max_length=200)
    model_served = models.CharField("served model", max_length=200, blank=True)
    provider_request_id = models.CharField("provider's request ID", max_length=200, blank=True)

    input_tokens = models.PositiveBigIntegerField(
        default=0, help_text="Uncached input, without cache reads and writes."
    )
    cache_read_tokens = models.PositiveBigIntegerField(default=0)
    cache_write_5m_tokens = models.PositiveBigIntegerField(default=0)
    cache_write_1h_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    reasoning_tokens = models.PositiveBigIntegerField(default=0, help_text="Included in the output tokens.")
    source = models.CharField(max_length=16, choices=Source.choices)
    raw_usage = models.JSONField(null=True, blank=True)
    flags = models.JSONField(
        default=list, blank=True, help_text="Inconsistencies in the provider's usage report."
    )

    price = models.ForeignKey(ModelPrice, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    cost_pico = PicoUsdField("cost", null=True, blank=True, help_text="Empty: unpriced.")
    provider_cost_pico = PicoUsdField("cost as the provider reports it", null=True, blank=True)

    status = models.CharField(max_length=16, choices=Status.choices)
    latency_ms = models.PositiveIntegerField(null=True, blank=True)
    first_token_ms = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[Any] = UsageEventQuerySet.as_manager()

    class Meta:
        verbose_name = "ledger call"
        verbose_name_plural = "calls (ledger)"
        ordering: ClassVar = ["-created_at", "id"]
        constraints: ClassVar = [
            # Also finds the corrections of an event. Of two concurrent corrections of a call, one fails.
            models.UniqueConstraint(
                name="event_correction_order",
                fields=["corrects", "corrections_before"],
                condition=Q(corrects__isnull=False),
            ),
            models.CheckConstraint(
                name="event_correction_is_cost_alone",
                condition=Q(corrects__isnull=True, cost_before_pico__isnull=True, corrections_before=0)
                | Q(
                    corrects__isnull=False,
                    cost_pico__isnull=False,
                    provider_cost_pico__isnull=True,
                    **dict.fromkeys(BUCKET_TOKENS, 0),
                ),
            ),
            models.CheckConstraint(
                name="event_reasoning_within_output", condition=Q(reasoning_tokens__lte=F("output_tokens"))
            ),
            models.CheckConstraint(
                name="event_cost_with_price",
                condition=Q(cost_pico__isnull=True, price__isnull=True)
                | Q(cost_pico__isnull=False, price__isnull=False),
            ),
            models.CheckConstraint(
                name="event_none_is_empty",
                condition=~Q(source="none") | Q(input_tokens=0, output_tokens=0, cache_read_tokens=0),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["turn_id"], name="event_of_turn"),  # the receipt of a turn
            models.Index(
                fields=["user_id", "-created_at"], name="event_of_user"
            ),  # a person's own events, newest first
            models.Index(fields=["-created_at", "id"], name="event_newest"),  # the ledger page
            models.Index(  # flagged calls, in the ledger and on Costs
                fields=["-created_at"], name="event_flagged", condition=~Q(flags=[])
            ),
            models.Index(  # what reprice selects
                fields=["model", "created_at", "id"],
                name="event_unpriced",
                condition=Q(cost_pico__isnull=True),
            ),
            models.Index(fields=["room_id", "-created_at"], name="event_of_room"),  # the last name of a room
            models.Index(fields=["agent_id", "-created_at"], name="event_of_agent"),  # and of an agent
            models.Index(
                fields=["team_id", "-created_at"], name="event_of_team"
            ),  # the ledger page of a team
            models.Index(fields=["model", "-created_at"], name="event_of_model"),  # and of a model
        ]

    def __str__(self) -> str:
        return f"{purpose_label(self.purpose)} on {self.model_asked}"

    @cached_property
    def usage(self) -> Usage:
        """The token buckets; all zero for a correction."""
        return Usage(*tokens_of(self))
