"""Purge soft-deleted rows after the days in which they can be restored. The ledger stays."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from sessions.events.eventlog import event_log
from sessions.models import Agent, ChatSession, MessageFile, Room, Turn
from sessions.services.files import files_erase_unused
from sessions.services.scrub import deleted_scrub

SESSIONS_PER_TRANSACTION = 1
"""Sessions per transaction, so that turns can commit in between: one may have thousands of messages."""


@dataclass(frozen=True, slots=True)
class PurgeCounts:
    sessions: int
    rooms: int
    agents: int


def deleted_purge(*, before: dt.datetime | None = None) -> PurgeCounts:
    """Erase rows deleted before `before`, by default `PANTHEON_PURGE_AFTER_DAYS` ago.

    A session with a running turn waits for the next purge, and so does a room with sessions. An agent is
    erased once it has no sessions of its own left.
    """
    due = before or timezone.now() - dt.timedelta(days=settings.PANTHEON_PURGE_AFTER_DAYS)
    sessions = 0
    while batch := _sessions_purge(due):
        sessions += batch
    counts = PurgeCounts(
        sessions,
        rooms=_places_purge(Room.objects.all(), "room", due),
        agents=_places_purge(Agent.objects.all(), "agent", due),
    )
    if counts != PurgeCounts(0, 0, 0):
        deleted_scrub()
    return counts


@transaction.atomic(durable=True)
def _sessions_purge(due: dt.datetime) -> int:
    running = Turn.objects.active().values("session")
    rows = ChatSession.objects.filter(deleted_at__lt=due).exclude(pk__in=running)
    ids = list(rows.order_by("deleted_at").values_list("pk", flat=True)[:SESSIONS_PER_TRANSACTION])
    sessions_erase(ids)
    return len(ids)


def sessions_erase(session_ids: Collection[uuid.UUID]) -> None:
    """Delete sessions for good, with the files that were in no other (inside a transaction).

    Their turns' events and the files' contents follow after the commit.

    If the event log is unreachable, the events expire there, so erasing never depends on it.
    """
    assert transaction.get_connection().in_atomic_block
    brought = MessageFile.objects.filter(message__session__in=session_ids).order_by()
    file_ids = set(brought.values_list("file", flat=True))
    turn_ids = list(Turn.objects.filter(session__in=session_ids).order_by().values_list("pk", flat=True))
    ChatSession.objects.filter(pk__in=session_ids).delete()
    files_erase_unused(file_ids)
    transaction.on_commit(partial(event_log.forget, turn_ids), robust=True)


@transaction.atomic(durable=True)
def _places_purge(places: QuerySet[Any], name: str, due: dt.datetime) -> int:
    """Delete rooms or agents without sessions; `name` is the session's field that leads to them."""
    in_use = ChatSession.objects.filter(**{f"{name}__isnull": False}).values(name)
    rows = places.filter(deleted_at__lt=due).exclude(pk__in=in_use)
    count = rows.count()
    rows.delete()
    return count
