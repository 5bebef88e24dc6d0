from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from orchestration.engine.modes import MODES, SUMMARY, Mode
from sessions.models.modes import turn_modes


class TurnQuerySet(models.QuerySet["Turn"]):
    def spoken(self) -> TurnQuerySet:
        """Exclude turns that only summarize: they are in no list, transcript or context."""
        return self.exclude(mode=SUMMARY.key)

    def active(self) -> TurnQuerySet:
        return self.filter(status__in=Turn.ACTIVE)

    def without_snapshot(self) -> TurnQuerySet:
        """Defer snapshots, which may be longer than all messages, but annotate `summary_plan`."""
        return self.defer("snapshot").annotate(summary_plan=F("snapshot__summarize"))


class Turn(models.Model):
    """One user message and everything it causes.

    `snapshot` holds everything a runner needs (see `sessions.services.snapshot`), so that any process can run
    or resume the turn; `claim` is the fencing token of every write of a runner.
    """

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        COMPLETED = "completed"
        PARTIAL = "partial"
        FAILED = "failed"
        CANCELLED = "cancelled"

    ACTIVE = (Status.QUEUED, Status.RUNNING)
    FINAL = (Status.COMPLETED, Status.PARTIAL, Status.FAILED, Status.CANCELLED)

    id = models.UUIDField("ID", primary_key=True, default=uuid.uuid4, editable=False)
    session = models.ForeignKey("chat_sessions.ChatSession", on_delete=models.CASCADE, related_name="turns")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="turns")
    token_id = models.UUIDField(
        null=True, blank=True, editable=False, help_text="The API token that asked, if one did."
    )
    index = models.PositiveIntegerField(
        "number",
        null=True,
        blank=True,
        help_text="Order within the session. Turns that only summarize have none.",
    )
    mode = models.CharField(max_length=16, choices=turn_modes)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.QUEUED)
    stop_reason = models.CharField(max_length=16, null=True, blank=True)  # noqa: DJ001  (null is the contract's "none")
    replaces = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="replaced_by"
    )
    unknown_tags = models.JSONField(default=list)
    snapshot = models.JSONField(default=dict)
    routing = models.JSONField(default=list)
    error = models.JSONField(null=True, blank=True)

    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001  (null never clashes)
    request_digest = models.CharField(
        max_length=64, blank=True, help_text="SHA-256 of the request that made the turn."
    )

    claim = models.PositiveIntegerField(default=0)
    handovers = models.PositiveIntegerField(
        default=0, help_text="Claims given back at a clean stop; they do not count as attempts."
    )
    runner_id = models.UUIDField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    dispatches = models.PositiveIntegerField(default=0)
    dispatch_after = models.DateTimeField(default=timezone.now)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    last_event_seq = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="The seq of the terminal event."
    )

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    completed_at = models.DateTimeField(null=True, blank=True)

    objects = TurnQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["session", "-index"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["session", "index"], name="turn_index_once"),
            models.CheckConstraint(
                name="turn_index_unless_summary",
                condition=Q(mode=SUMMARY.key, index__isnull=True)
                | (~Q(mode=SUMMARY.key) & Q(index__isnull=False)),
            ),
            models.UniqueConstraint(
                fields=["session"],
                condition=Q(status__in=["queued", "running"]),
                name="turn_one_active_per_session",
            ),
            models.UniqueConstraint(fields=["user", "idempotency_key"], name="turn_idempotency_key_once"),
            models.CheckConstraint(
                name="turn_final_is_complete",
                condition=Q(status__in=["queued", "running"], completed_at__isnull=True)
                | Q(status__in=["completed", "partial", "failed", "cancelled"], completed_at__isnull=False),
            ),
        ]
        indexes: ClassVar = [
            # Recovery: expired leases, and turns that wait for a runner.
            models.Index(
                fields=["status", "lease_expires_at"],
                condition=Q(status__in=["queued", "running"]),
                name="turn_active",
            ),
            models.Index(fields=["-created_at"], name="turn_newest"),  # the administration's list
        ]

    def __str__(self) -> str:
        return f"Turn {self.index}" if self.index else "Summary turn"

    @property
    def mode_spec(self) -> Mode:
        return MODES[self.mode]

    @property
    def is_final(self) -> bool:
        return self.status in self.FINAL
