from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from orchestration.engine.modes import MANUAL, MODES, Mode
from sessions.models.agent import Agent
from sessions.models.modes import room_modes
from sessions.models.soft import OwnedQuerySet


class Room(models.Model):
    """A council: ordered agents, a goal, and the mode in which they answer."""

    MOST_PER_PERSON: ClassVar = 500
    """Living rooms of one person: pages list them all."""

    id = models.UUIDField("ID", primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="rooms")
    name = models.CharField(max_length=200)
    goal = models.TextField(blank=True, max_length=4_000)
    mode = models.CharField(max_length=16, choices=room_modes, default=MANUAL.key)
    manager_model = models.ForeignKey(
        "orchestration.LlmModel", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    max_rounds = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(3)]
    )
    speaker_guard = models.BooleanField(
        default=True,
        db_default=True,
        help_text="Cut answers where they go on as another member.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    agents = models.ManyToManyField(Agent, through="chat_sessions.RoomAgent", related_name="rooms")

    objects = OwnedQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-created_at", "id"]

    def __str__(self) -> str:
        return self.name

    @property
    def mode_spec(self) -> Mode:
        return MODES[self.mode]


class RoomAgent(models.Model):
    """An agent's place in a room."""

    id = models.BigAutoField(primary_key=True)
    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="places")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="places")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering: ClassVar = ["room", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["room", "agent"], name="room_agent_once"),
            models.UniqueConstraint(fields=["room", "position"], name="room_position_once"),
        ]

    def __str__(self) -> str:
        return str(self.agent)
