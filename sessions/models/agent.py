from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from orchestration.models import effort_choices
from sessions.models.soft import OwnedQuerySet

RESERVED_KEYS = frozenset({"all"})

key_validator = RegexValidator(r"\A[a-z0-9_-]{1,64}\Z", "Use 1 to 64 of a-z, 0-9, _ and -.")


class Agent(models.Model):
    """A member of a council: a handle, a model and instructions."""

    MOST_PER_PERSON: ClassVar = 500
    """Living agents of one person: pages list them all."""

    id = models.UUIDField("ID", primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="agents")
    key = models.CharField(
        "handle", max_length=64, validators=[key_validator], help_text="Mentions use it: @handle."
    )
    name = models.CharField(max_length=120)
    model = models.ForeignKey(
        "orchestration.LlmModel",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Defaults to the server's default model.",
    )
    role_prompt = models.TextField(blank=True, max_length=20_000)
    temperature = models.FloatField(
        null=True, blank=True, validators=[MinValueValidator(0.0), MaxValueValidator(2.0)]
    )
    max_output_tokens = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(16), MaxValueValidator(1_000_000)]
    )
    reasoning_effort = models.CharField(
        max_length=16,
        blank=True,
        default="",
        db_default="",
        choices=effort_choices,
        help_text="Defaults to the model's effort.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["owner", "key"],
                condition=Q(deleted_at__isnull=True),
                name="agent_key_unique_per_owner",
            ),
        ]

    def __str__(self) -> str:
        return f"@{self.key}"
