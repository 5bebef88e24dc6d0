"""Resolve ids from outside to rows that belong to the user. Anything else does not exist (404)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from django.db.models import Exists, OuterRef, Q, UUIDField

from accounts.access import parse_id
from accounts.models import User
from billing.days import parse_day
from orchestration.models import Provider
from sessions.models import Agent, ChatSession, File, MessageFile, Room, Summary, Turn
from sessions.models.agent import key_validator
from sessions.selectors.deleted import retention_start
from sessions.selectors.room_names import rooms_named
from sessions.selectors.search_filters import SearchFilters
from web.database.compiled import CompiledQuery, Slot
from web.errors import NotFound, ValidationFailed

KEY = re.compile(key_validator.regex)
SESSION: CompiledQuery[ChatSession] = CompiledQuery(
    lambda: (
        ChatSession.objects.alive()
        .filter(owner_id=Slot("owner", UUIDField()), pk=Slot("session_id", UUIDField()))
        .select_related("room", "agent")
        .order_by()
    )
)

ROOM: CompiledQuery[Room] = CompiledQuery(
    lambda: (
        Room.objects.alive()
        .filter(owner_id=Slot("owner", UUIDField()), pk=Slot("room_id", UUIDField()))
        .select_related("manager_model")
        .order_by()
    )
)

Row = TypeVar("Row", Agent, ChatSession, Room)


def check_providers(user: User) -> None:
    """Raise NotFound unless the user is staff with permission to change providers."""
    if not (user.is_staff and user.has_perm("orchestration.change_provider")):
        raise NotFound()


def access_provider(user: User, provider_id: str | uuid.UUID) -> Provider:
    """Return an enabled provider, for staff who may change providers. Raises NotFound."""
    check_providers(user)
    provider = Provider.objects.filter(enabled=True, pk=parse_id(provider_id)).first()
    if provider is None:
        raise NotFound()
    return provider


def access_agent(user: User, agent_id: str | uuid.UUID) -> Agent:
    return _one(Agent.objects.of(user).select_related("model"), agent_id)


def access_agent_by_key(user: User, key: str) -> Agent:
    # Check the format first: a database rejects some texts, such as those with a NUL, as parameters.
    agents = Agent.objects.of(user).filter(key=key) if KEY.match(key) else Agent.objects.none()
    agent: Agent | None = agents.first()
    if agent is None:
        raise NotFound()
    return agent


def access_room(user: User, room_id: str | uuid.UUID) -> Room:
    room = ROOM.first(owner=user.pk, room_id=parse_id(room_id))
    if room is None:
        raise NotFound()
    return room


def access_room_by_name(user: User, name: str) -> Room:
    """Return the room of a readable name, or of an id. Raises NotFound, also if a name fits several rooms."""
    rooms = rooms_named(user, name)
    if len(rooms) == 1:
        return access_room(user, rooms[0])
    return access_room(user, name)


def access_session(user: User, session_id: str | uuid.UUID) -> ChatSession:
    session = SESSION.first(owner=user.pk, session_id=parse_id(session_id))
    if session is None:
        raise NotFound()
    return session


def access_turn(user: User, turn_id: str | uuid.UUID) -> Turn:
    turns = Turn.objects.filter(session__owner=user, session__deleted_at__isnull=True).select_related(
        "session"
    )
    return _one(turns, turn_id)


def access_summary(user: User, summary_id: str | uuid.UUID) -> Summary:
    summaries = Summary.objects.filter(session__owner=user, session__deleted_at__isnull=True)
    return _one(summaries, summary_id)


def access_file(user: User, file_id: str | uuid.UUID) -> File:
    """Return a file that the user owns, or that a message in one of the user's sessions brought; without its text."""
    brought = MessageFile.objects.filter(
        file=OuterRef("pk"), message__session__owner=user, message__session__deleted_at__isnull=True
    )
    file: File = _one(File.objects.filter(Q(owner=user, deleted_at__isnull=True) | Exists(brought)), file_id)
    return file


def access_own_file(user: User, file_id: str | uuid.UUID) -> File:
    """Return a file that the user owns and has not deleted."""
    file: File = _one(File.objects.of(user), file_id)
    return file


def files_to_send(user: User, ids: Sequence[str | uuid.UUID]) -> list[File]:
    """Return the user's files in the given order, each once, without their texts.

    Raises NotFound for one that is not the user's or was deleted, ValidationFailed for too many.
    """
    wanted = list(dict.fromkeys(parse_id(file_id) for file_id in ids))
    if len(wanted) > MessageFile.MOST_PER_MESSAGE:
        raise ValidationFailed(
            {"files": [f"A message can have at most {MessageFile.MOST_PER_MESSAGE} files."]}
        )
    if not wanted:
        return []
    files = {file.pk: file for file in File.objects.of(user).filter(pk__in=wanted)}
    if len(files) < len(wanted):
        raise NotFound("A file does not exist or was deleted. Attach it again.")
    return [files[file_id] for file_id in wanted]


def access_restorable(model: type[Row], user: User, row_id: str | uuid.UUID) -> Row:
    """Return the user's agent, room or session, including one that was deleted but can still be restored."""
    restorable = Q(deleted_at__isnull=True) | Q(deleted_at__gte=retention_start())
    row: Row = _one(model.objects.filter(restorable, owner=user), row_id)
    return row


def any_sent_file(file_id: str | uuid.UUID) -> File:
    """Return a file that any user's message brought: for staff pages that check permissions themselves."""
    brought = MessageFile.objects.filter(file=OuterRef("pk"))
    file: File = _one(File.objects.filter(Exists(brought)), file_id)
    return file


def any_turn(turn_id: str | uuid.UUID) -> Turn:
    """Return any user's turn, also of a deleted session: for staff pages that check permissions themselves."""
    return _one(Turn.objects.select_related("session"), turn_id)


def any_session(session_id: str | uuid.UUID) -> ChatSession:
    """Return any user's session, also a deleted one: for staff pages that check permissions themselves."""
    return _one(ChatSession.objects.all(), session_id)


def _one(rows: Any, row_id: str | uuid.UUID) -> Any:
    row = rows.filter(pk=parse_id(row_id)).first()
    if row is None:
        raise NotFound()
    return row


def access_search_filters(user: User, parameters: Mapping[str, str]) -> SearchFilters:
    """Parse `room`, `agent`, `from` and `to` of a search. Raises NotFound and `invalid_parameter`."""
    room, agent, since, until = (parameters.get(name, "") for name in ("room", "agent", "from", "to"))
    return SearchFilters(
        room=access_room(user, room) if room else None,
        agent=access_agent(user, agent) if agent else None,
        since=parse_day("from", since) if since else None,
        until=parse_day("to", until) if until else None,
    )
