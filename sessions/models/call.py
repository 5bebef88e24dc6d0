from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone

from orchestration.engine.purposes import purpose_label
from orchestration.engine.specs import Usage
from orchestration.models import effort_choices


class Call(models.Model):
    """One attempt at a model: journal, step attempt and context audit in one row.

    The id is generated before anything is sent and becomes the id of the usage event. Attempts of a step
    share `step_id`; `slot` names the step's place in the turn, so that a resumed turn finds its earlier
    answers. `text` is replayed by a resumed turn; the commit blanks it, the row stays.
    """

    class Status(models.TextChoices):
        STARTED = "started"
        OK = "ok", "OK"
        FAILED = "failed"
        CANCELLED = "cancelled"
        INTERRUPTED = "interrupted"

    id = models.UUIDField("ID", primary_key=True, default=uuid.uuid4, editable=False)
    turn = models.ForeignKey("chat_sessions.Turn", on_delete=models.CASCADE, related_name="calls")
    claim = models.PositiveIntegerField()
    number = models.PositiveIntegerField(help_text="Order within the turn, from 1.")
    step_id = models.UUIDField("step ID")
    slot = models.CharField(max_length=160)
    purpose = models.CharField(max_length=16)
    agent_id = models.UUIDField("agent ID", null=True, blank=True)
    agent_key = models.CharField("handle", max_length=64, blank=True)
    agent_name = models.CharField(max_length=120, blank=True)
    round = models.PositiveSmallIntegerField(default=1)
    attempt = models.PositiveSmallIntegerField(default=1)
    model = models.ForeignKey("orchestration.LlmModel", on_delete=models.PROTECT, related_name="+")

    reasoning_effort = models.CharField(
        max_length=16,
        blank=True,
        default="",
        db_default="",
        choices=effort_choices,
        help_text="The effort that was sent.",
    )

    status = models.CharField(max_length=16, choices=Status.choices, default=Status.STARTED)
    error = models.JSONField(null=True, blank=True)
    text = models.TextField(blank=True)
    cut_text = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="What the answer said from where it was cut, as it went on as another member. Stays.",
    )
    received_bytes = models.PositiveIntegerField(
        db_column="received_chars",
        default=0,
        help_text="How much text (UTF-8) had arrived at the last lease renewal.",
    )
    usage = models.JSONField(
        null=True, blank=True, help_text="The report as the gateway gave it: buckets, source, raw, flags."
    )
    model_served = models.CharField("served model", max_length=200, blank=True)
    provider_request_id = models.CharField("provider's request ID", max_length=200, blank=True)
    context = models.JSONField(
        default=dict, blank=True, help_text="Window, budget and estimate when the call was made."
    )
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    latency_ms = models.PositiveIntegerField(null=True, blank=True)
    first_token_ms = models.PositiveIntegerField(null=True, blank=True)
    committed = models.BooleanField(default=False)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["-started_at"], name="call_newest"),  # the administration's list
            models.Index(  # the last failures of a model and its provider
                fields=["model", "-started_at"], name="call_failed", condition=models.Q(status="failed")
            ),
        ]
        ordering: ClassVar = ["turn", "number"]
        constraints: ClassVar = [
            # Also the index for reading a turn's calls.
            models.UniqueConstraint(fields=["turn", "number"], name="call_number_once"),
        ]

    def __str__(self) -> str:
        attempt = f", attempt {self.attempt}" if self.attempt > 1 else ""
        return f"{purpose_label(self.purpose)}{f' of @{self.agent_key}' if self.agent_key else ''}{attempt}"

    @property
    def bound(self) -> Usage:
        """The call's maximum usage; the estimate for calls from before bounds were stored."""
        context = self.context
        return Usage(
            input=context.get("input_bound", context.get("estimate_after", 0)),
            output=context.get("output_bound", 0),
        )
