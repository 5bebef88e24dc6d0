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

MAX_ITEMS = 100
"""Per kind, the latest."""


@dataclass(frozen=True, slots=True)
class DeletedItems:
    """A person's recently deleted items, the latest first."""

    sessions: Sequence[ChatSession]
    """Without those deleted with their room: they are restored with it."""
    rooms: Sequence[Room]
    agents: Sequence[Agent]
    days: int
    """How long after its deletion an item can be restored."""


def retention_start() -> dt.datetime:
    """Return the start of the retention period; the purge erases everything deleted before."""
    return timezone.now() - dt.timedelta(days=settings.PANTHEON_PURGE_AFTER_DAYS)


def list_recently_deleted(user: User) -> DeletedItems:
    start = retention_start()
    sessions = ChatSession.objects.filter(owner=user, deleted_at__gte=start).select_related("room", "agent")
    alone = sessions.exclude(Q(room__deleted_at__isnull=False) & Q(room__deleted_at=F("deleted_at")))
    return DeletedItems(
        sessions=list(alone.order_by("-deleted_at", "id")[:MAX_ITEMS]),
        rooms=list(
            Room.objects.filter(owner=user, deleted_at__gte=start).order_by("-deleted_at", "id")[:MAX_ITEMS]
        ),
        agents=list(
            Agent.objects.filter(owner=user, deleted_at__gte=start).order_by("-deleted_at", "id")[:MAX_ITEMS]
        ),
        days=settings.PANTHEON_PURGE_AFTER_DAYS,
    )
