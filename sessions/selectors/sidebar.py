"""Reads for the sidebar: pinned and latest sessions of all rooms, and the rooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import DateTimeField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.models import User
from sessions.models import ChatSession, Room, Turn
from sessions.selectors.search import ResultPosition

SESSIONS_AT_ONCE = 30
ROOMS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class SidebarSession:
    session: ChatSession
    is_unread: bool
    """A turn has ended since its owner looked at it."""


@dataclass(frozen=True, slots=True)
class LatestSessions:
    """A part of a person's sessions, the latest first, without the pinned ones."""

    rows: Sequence[SidebarSession]
    more: ResultPosition | None
    """The position of the last one; None if there are no further ones."""


@dataclass(frozen=True, slots=True)
class SidebarRooms:
    rows: Sequence[Room]
    has_more: bool


def list_latest_sessions(user: User, after: ResultPosition | None = None) -> LatestSessions:
    """Return the latest sessions after a position."""
    sessions = _sessions(user).filter(pinned_at__isnull=True)
    if after is not None:
        sessions = sessions.filter(Q(updated_at__lt=after.at) | Q(updated_at=after.at, pk__gt=after.id))
    found = list(sessions.order_by("-updated_at", "pk")[: SESSIONS_AT_ONCE + 1])
    rows = [_sidebar_session(each) for each in found[:SESSIONS_AT_ONCE]]
    last = found[SESSIONS_AT_ONCE - 1] if len(found) > SESSIONS_AT_ONCE else None
    return LatestSessions(rows, last and ResultPosition(last.updated_at, last.pk))


def list_pinned_sessions(user: User) -> list[SidebarSession]:
    """Return pinned sessions, the latest pin first."""
    sessions = _sessions(user).filter(pinned_at__isnull=False).order_by("-pinned_at", "pk")
    return [_sidebar_session(each) for each in sessions]


def list_sidebar_rooms(user: User, *, every: bool = False) -> SidebarRooms:
    """Return the rooms with the latest sessions, or all rooms by name."""
    rooms = Room.objects.of(user).only("name", "mode", "owner_id", "deleted_at")
    if every:
        return SidebarRooms(list(rooms.order_by("name", "pk")[: Room.MOST_PER_PERSON]), False)
    latest = ChatSession.objects.alive().filter(room=OuterRef("pk")).order_by("-updated_at")
    used_at = Coalesce(Subquery(latest.values("updated_at")[:1]), "created_at", output_field=DateTimeField())
    found = list(rooms.order_by(used_at.desc(), "pk")[: ROOMS_AT_ONCE + 1])
    return SidebarRooms(found[:ROOMS_AT_ONCE], len(found) > ROOMS_AT_ONCE)


def _sessions(user: User) -> QuerySet[Any]:
    """Return a person's sessions with the end of their newest turn, and of their places the names alone."""
    newest = Turn.objects.filter(session=OuterRef("pk"), index__isnull=False).order_by("-index")
    sessions = ChatSession.objects.of(user).listed().select_related("room", "agent")
    shown = ("title", "room_id", "agent_id", "updated_at", "pinned_at", "seen_at")
    places = ("room__name", "room__deleted_at", "agent__name", "agent__deleted_at")
    return sessions.only(*shown, *places).annotate(turn_ended_at=Subquery(newest.values("completed_at")[:1]))


def _sidebar_session(session: Any) -> SidebarSession:
    ended_at = session.turn_ended_at
    return SidebarSession(session, ended_at is not None and ended_at > session.seen_at)
