"""Deleted items that can still be restored."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import User
from sessions.models import Agent, ChatSession, Room

LISTED = 100
"""Per kind, the latest."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """A person's recently deleted items, the latest first."""

    sessions: Sequence[ChatSession]
    """Without those deleted with their room: they are restored with it."""
    rooms: Sequence[Room]
    agents: Sequence[Agent]
    days: int
    """How long after its deletion an item can be restored."""

    def __bool__(self) -> bool:
        return bool(self.sessions or self.rooms or self.agents)


def kept_since() -> dt.datetime:
    """Return the start of the retention period; the purge erases everything deleted before."""
    return timezone.now() - dt.timedelta(days=settings.PANTHEON_PURGE_AFTER_DAYS)


def recently_deleted(user: User) -> Deleted:
    due = kept_since()
    sessions = ChatSession.objects.filter(owner=user, deleted_at__gte=due).select_related("room", "agent")
    alone = sessions.exclude(Q(room__deleted_at__isnull=False) & Q(room__deleted_at=F("deleted_at")))
    return Deleted(
        sessions=list(alone.order_by("-deleted_at", "id")[:LISTED]),
        rooms=list(
            Room.objects.filter(owner=user, deleted_at__gte=due).order_by("-deleted_at", "id")[:LISTED]
        ),
        agents=list(
            Agent.objects.filter(owner=user, deleted_at__gte=due).order_by("-deleted_at", "id")[:LISTED]
        ),
        days=settings.PANTHEON_PURGE_AFTER_DAYS,
    )
