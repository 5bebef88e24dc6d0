from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class Summary(models.Model):
    """A summary of a session up to a message. Each continues the previous one; the newest counts.

    A list holds `{"text", "message_seq" (or null), "pinned"}`; pinned items are in every later summary.
    """

    id = models.UUIDField("ID", primary_key=True, default=uuid.uuid4, editable=False)
    session = models.ForeignKey(
        "chat_sessions.ChatSession", on_delete=models.CASCADE, related_name="summaries"
    )
    turn = models.OneToOneField(
        "chat_sessions.Turn", null=True, blank=True, on_delete=models.SET_NULL, related_name="summary"
    )
    from_seq = models.PositiveIntegerField("first message")
    through_seq = models.PositiveIntegerField(
        "last message", help_text="The last message that this and earlier summaries cover."
    )
    text = models.TextField()
    key_facts = models.JSONField(default=list, blank=True)
    decisions = models.JSONField(default=list, blank=True)
    open_questions = models.JSONField(default=list, blank=True)
    action_items = models.JSONField(default=list, blank=True)
    used_fallback = models.BooleanField(default=False)
    fallback_reason = models.CharField(
        max_length=16,
        blank=True,
        default="",
        db_default="",
        help_text="Why the summarizer's answer could not be used.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "summaries"
        ordering: ClassVar = ["-created_at", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="summary_range", condition=Q(from_seq__lte=F("through_seq"))),
            # Also the index for finding a session's newest summary.
            models.UniqueConstraint(fields=["session", "through_seq"], name="summary_through_once"),
        ]

    def __str__(self) -> str:
        return f"Summary of messages {self.from_seq} to {self.through_seq}"
