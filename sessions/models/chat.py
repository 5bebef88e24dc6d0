from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from sessions.models.search_text import SearchTextField, SearchTextUpdates
from sessions.models.soft import OwnedQuerySet

if TYPE_CHECKING:
    from sessions.models.file import File


class ChatSessionQuerySet(SearchTextUpdates, OwnedQuerySet):
    def listed(self) -> Self:
        """Exclude sessions of the OpenAI-compatible endpoint: one per request, never opened."""
        return self.filter(origin=ChatSession.Origin.OPENED)


class ChatSession(models.Model):
    """A thread of turns in a room or with one agent (exactly one of the two)."""

    class Origin(models.TextChoices):
        OPENED = "opened", "Opened in a room or with an agent"
        API = "api", "Created by a request to the OpenAI-compatible endpoint"

    id = models.UUIDField("ID", primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="chat_sessions"
    )
    room = models.ForeignKey(
        "chat_sessions.Room", null=True, blank=True, on_delete=models.CASCADE, related_name="chat_sessions"
    )
    agent = models.ForeignKey(
        "chat_sessions.Agent", null=True, blank=True, on_delete=models.CASCADE, related_name="chat_sessions"
    )
    origin = models.CharField(max_length=16, choices=Origin.choices, default=Origin.OPENED, editable=False)
    title = models.CharField(max_length=200, blank=True)
    search_text = SearchTextField(of="title", help_text="The title as search reads it.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(
        default=timezone.now, editable=False, help_text="The last turn or change."
    )
    pinned_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when it stands on top of the owner's list."
    )
    seen_at = models.DateTimeField(
        default=timezone.now,
        db_default=Now(),
        editable=False,
        help_text="The owner's last look: what is newer is unread.",
    )
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ChatSessionQuerySet.as_manager()

    class Meta:
        verbose_name = "session"
        ordering: ClassVar = ["-created_at", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="session_room_or_agent",
                condition=Q(room__isnull=True, agent__isnull=False)
                | Q(room__isnull=False, agent__isnull=True),
            )
        ]
        indexes: ClassVar = [
            # Home, room pages, sidebar: the sessions that a user opened, the latest first.
            models.Index(fields=["owner", "origin", "-updated_at"], name="session_recent"),
            # The sidebar's pins.
            models.Index(
                fields=["owner", "-pinned_at"], condition=Q(pinned_at__isnull=False), name="session_pinned"
            ),
        ]

    def __str__(self) -> str:
        # Shown in the administration, where the title must not be: it is the first message until renamed.
        return f"Session {str(self.pk)[:8]}"

    @property
    def is_pinned(self) -> bool:
        return self.pinned_at is not None

    @property
    def heading(self) -> str:
        """Return the session's title for its owner's pages."""
        return self.title or "New session"


class MessageQuerySet(SearchTextUpdates, models.QuerySet["Message"]):
    pass


class MessageManager(models.Manager.from_queryset(MessageQuerySet)):  # type: ignore[misc]
    """Defers what most reads do not need: the HTML, which pages load with `defer("search_text")`, and search's text."""

    def get_queryset(self) -> models.QuerySet[Message]:
        messages: models.QuerySet[Message] = super().get_queryset()
        return messages.defer("html", "search_text")


class Message(models.Model):
    """A message of a session. An answer's id is the id of its step."""

    MAX_CHARS = 100_000
    """Length limit of a user's message."""

    class Role(models.TextChoices):
        USER = "user"
        AGENT = "agent"
        MANAGER = "manager"

    class Status(models.TextChoices):
        COMPLETE = "complete"
        CANCELLED = "cancelled"
        FAILED = "failed"

    id = models.UUIDField("ID", primary_key=True, default=uuid.uuid4, editable=False)
    session = models.ForeignKey(
        "chat_sessions.ChatSession", on_delete=models.CASCADE, related_name="messages"
    )
    turn = models.ForeignKey("chat_sessions.Turn", on_delete=models.CASCADE, related_name="messages")
    seq = models.PositiveIntegerField("number", help_text="Order within the session, from 1.")
    role = models.CharField(max_length=16, choices=Role.choices)
    agent_id = models.UUIDField("agent ID", null=True, blank=True)
    agent_key = models.CharField("handle", max_length=64, blank=True)
    agent_name = models.CharField(max_length=120, blank=True)
    model = models.CharField(max_length=120, blank=True, help_text="The alias of the model that answered.")
    text = models.TextField(blank=True)
    search_text = SearchTextField(of="text", help_text="The text as search reads it.")
    html = models.TextField(
        blank=True, db_default="", editable=False, help_text="An answer as pages show it."
    )
    html_version = models.PositiveSmallIntegerField(
        db_default=0, editable=False, help_text="The renderer that made the HTML; 0: none has yet."
    )
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.COMPLETE)
    round = models.PositiveSmallIntegerField(null=True, blank=True)
    purpose = models.CharField(max_length=16, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = MessageManager()

    class Meta:
        ordering: ClassVar = ["session", "seq"]
        constraints: ClassVar = [
            # Also the index for reading a transcript.
            models.UniqueConstraint(fields=["session", "seq"], name="message_seq_once"),
            models.UniqueConstraint(
                fields=["turn"], condition=Q(role="user"), name="message_user_once_per_turn"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-created_at"], name="message_newest")  # the administration's list
        ]

    def __str__(self) -> str:
        return f"Message {self.seq}"

    @property
    def files(self) -> list[File]:
        """Return the files that the message brought, in order; `list_with_files` loads them for many messages."""
        if self.role != self.Role.USER or getattr(self, "has_files", None) is False:
            return []
        rows = self.message_files.all()
        if "message_files" not in getattr(self, "_prefetched_objects_cache", ()):
            # A foreign key does not use the manager of files, which leaves out their texts.
            rows = rows.select_related("file").defer("file__text", "file__search_text")
        return [row.file for row in rows]
