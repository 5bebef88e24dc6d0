"""Port to rooms and sessions, which belong to the layer above. Billing only stores their ids.

That layer registers its implementation at start (`use_rooms`).
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any, Protocol

from django.db.models import QuerySet


class Rooms(Protocol):
    """Rooms and sessions that are not deleted."""

    def names(self, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
        """Return id -> name of the existing rooms among these: one statement."""
        ...

    def session_titles(self, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
        """Return id -> title of the existing sessions among these: one statement."""
        ...

    def owned_by(self, user_id: uuid.UUID) -> QuerySet[Any, Any]:
        """Return the ids of a person's rooms, usable as a subquery."""
        ...


_rooms: Rooms | None = None


def use_rooms(rooms: Rooms) -> None:
    """Register the implementation. Called once, when the process starts."""
    global _rooms
    _rooms = rooms


def known_rooms() -> Rooms:
    assert _rooms is not None, "use_rooms was not called"
    return _rooms
