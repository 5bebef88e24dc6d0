"""Restore deleted rows, until the purge (`sessions.services.purge`). Rows that are not deleted stay unchanged."""

from __future__ import annotations

from typing import TypeVar

from django.db import IntegrityError, transaction

from sessions.models import Agent, ChatSession, Room
from sessions.services.bounds import refuse_one_more
from web.errors import NotFound, PantheonError, ValidationFailed

Row = TypeVar("Row", Agent, ChatSession, Room)


@transaction.atomic(durable=True)
def session_restore(*, session: ChatSession) -> ChatSession:
    """Restore a session. Raises ValidationFailed while its room is deleted, NotFound if it was purged."""
    room = session.room and lock_any(session.room)  # before the session, the lock order of deleting a room
    session = lock_any(session)
    if room is not None and room.deleted_at is not None:
        raise ValidationFailed(
            {"room": [f"Restore the room “{room.name}” first."]}, f"Restore the room “{room.name}” first."
        )
    session.deleted_at = None
    session.save(update_fields=["deleted_at"])
    return session


@transaction.atomic(durable=True)
def room_restore(*, room: Room) -> Room:
    """Restore a room, with the sessions that were deleted with it.

    Raises ValidationFailed if the owner has too many rooms, NotFound if it was purged.
    """
    room = lock_any(room)
    if room.deleted_at is not None:
        refuse_one_more(Room, room.owner)
        room.chat_sessions.filter(deleted_at=room.deleted_at).update(deleted_at=None)
        room.deleted_at = None
        room.save(update_fields=["deleted_at", "updated_at"])
    return room


@transaction.atomic(durable=True)
def agent_restore(*, agent: Agent) -> Agent:
    """Restore an agent, also in the rooms whose agents have not been changed since.

    Raises `agent_key_taken` if the owner has another agent with its handle, ValidationFailed if the owner has too many
    agents, NotFound if it was purged.
    """
    agent = lock_any(agent)
    if agent.deleted_at is not None:
        refuse_one_more(Agent, agent.owner)
    agent.deleted_at = None
    try:
        with transaction.atomic():
            agent.save(update_fields=["deleted_at", "updated_at"])
    except IntegrityError as error:
        message = f"You have another agent @{agent.key} now. Change its handle, then restore this one."
        raise PantheonError("agent_key_taken", message, {"key": agent.key}) from error
    return agent


def lock_any(row: Row) -> Row:
    """Lock a row, deleted or not, and return its current state (inside a transaction). Raises NotFound."""
    locked_row: Row | None = type(row).objects.select_for_update().filter(pk=row.pk).first()
    if locked_row is None:
        raise NotFound("It has been erased for good.")
    return locked_row
