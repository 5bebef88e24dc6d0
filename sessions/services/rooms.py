"""Writes on rooms and their members."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from sessions.models import Agent, Room, RoomAgent, Turn
from sessions.services.bounds import refuse_one_more
from sessions.services.locks import lock_existing
from sessions.services.turn_cancel import turns_stop
from web.errors import ValidationFailed
from web.validation import require_valid

ROOM_FIELDS = frozenset({"name", "goal", "mode", "manager_model", "max_rounds", "speaker_guard"})
MAX_AGENTS = 20


@transaction.atomic(durable=True)
def room_create(*, owner: User, agents: Sequence[Agent] = (), **fields: Any) -> Room:
    """Create a room with its agents, in order. Raises ValidationFailed, also if the owner has too many rooms."""
    room = save_room(Room(owner=owner), fields)
    place_agents(room, agents)
    return room


@transaction.atomic(durable=True)
def room_update(*, room: Room, agents: Sequence[Agent] | None = None, **fields: Any) -> Room:
    """Change a room, with effect from its next turn. `agents=None` keeps its agents. Raises ValidationFailed."""
    room = save_room(lock_existing(room), fields)
    if agents is not None:
        place_agents(room, agents)
    return room


@transaction.atomic(durable=True)
def room_set_agents(*, room: Room, agents: Sequence[Agent]) -> None:
    """Set a room's agents, in order, replacing all others. Raises ValidationFailed."""
    place_agents(lock_existing(room), agents)


@transaction.atomic(durable=True)
def room_delete(*, room: Room) -> None:
    """Delete softly: removes the room and its sessions from every list; the ledger stays. Its turns are stopped."""
    now = timezone.now()
    room = lock_existing(room)
    room.deleted_at = now
    room.save(update_fields=["deleted_at", "updated_at"])
    turns_stop(Turn.objects.filter(session__room=room))
    room.chat_sessions.filter(deleted_at__isnull=True).update(deleted_at=now)


def save_room(room: Room, fields: dict[str, Any]) -> Room:
    """Validate and save (inside a transaction)."""
    for name, value in fields.items():
        if name not in ROOM_FIELDS:
            raise TypeError(f"rooms have no field {name!r}")
        setattr(room, name, value)
    require_valid(room)
    if room._state.adding:
        refuse_one_more(Room, room.owner)
    room.save()
    return room


def place_agents(room: Room, agents: Sequence[Agent]) -> None:
    """Replace a room's agents (inside a transaction that created or locked the room)."""
    unique = list(dict.fromkeys(agents))
    if len(unique) > MAX_AGENTS:
        raise ValidationFailed({"agents": [f"A room can have at most {MAX_AGENTS} agents."]})
    RoomAgent.objects.filter(room=room).delete()
    RoomAgent.objects.bulk_create(
        RoomAgent(room=room, agent=agent, position=position) for position, agent in enumerate(unique)
    )
