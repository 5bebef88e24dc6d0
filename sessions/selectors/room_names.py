"""Readable names of rooms for programs: the room's name and the start of its id, as in `board-3f2a`."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Iterable

from django.utils.text import slugify

from accounts.models import User
from sessions.models import Room

SHORT = 4
"""Hexadecimal digits of the id: two rooms of one person that share them and the name are one in some thousands."""
MAX_SLUG_CHARS = 48
NAME = re.compile(r"\A(?P<slug>.*)-(?P<start>[0-9a-f]{4})\Z", re.DOTALL)


def room_name(room: Room) -> str:
    """Return a room's readable name. It changes when the room is renamed, but the old one still finds the room."""
    slug = slugify(room.name)[:MAX_SLUG_CHARS].strip("-") or "room"
    return f"{slug}-{room.pk.hex[:SHORT]}"


def room_names(rooms: Iterable[Room]) -> dict[uuid.UUID, str]:
    """Return room -> readable name; rooms that would share a name have their ids instead."""
    names = {room.pk: room_name(room) for room in rooms}
    counts = Counter(names.values())
    return {pk: name if counts[name] == 1 else str(pk) for pk, name in names.items()}


def rooms_named(user: User, name: str) -> list[uuid.UUID]:
    """Return the ids of a person's rooms with this readable name: one, unless ids have the same beginning.

    The start of the id decides, so that a name outlives a renaming; the rest only decides between several rooms.
    """
    match = NAME.match(name)
    if match is None:
        return []
    rooms = Room.objects.of(user).only("id", "name")
    found = [room for room in rooms if room.pk.hex.startswith(match["start"])]
    exact = [room for room in found if room_name(room) == name]
    return [room.pk for room in (exact if len(found) > 1 and exact else found)]
