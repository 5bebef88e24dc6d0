"""What billing has to ask about rooms, which belong to the layer above and are known here by their ids alone.

That layer says at start who answers (`use_rooms`).
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any, Protocol

from django.db.models import QuerySet


class Rooms(Protocol):
    """Rooms that are not deleted."""

    def names(self, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
        """Return id -> name of those of these rooms that exist: one statement."""
        ...

    def owned_by(self, user_id: uuid.UUID) -> QuerySet[Any, Any]:
        """Return the ids of a person's rooms, as a query that another may hold."""
        ...


_rooms: Rooms | None = None


def use_rooms(rooms: Rooms) -> None:
    """Say who knows the rooms. Called once, when the process starts."""
    global _rooms
    _rooms = rooms


def known_rooms() -> Rooms:
    assert _rooms is not None, "nobody has said who knows the rooms"
    return _rooms
