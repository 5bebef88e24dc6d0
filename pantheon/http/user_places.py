"""Places of users: how many requests of one user this process works on at once.

Without this limit, the largest requests of one user occupy all threads, and the processor, while others wait.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from concurrent.futures import Future


class Place:
    """A place, or a request for one. It is free again when all holders have given it back."""

    def __init__(self, user_id: uuid.UUID) -> None:
        self.user_id = user_id
        self.granted: Future[None] = Future()
        """Can be cancelled until the place is granted."""
        self.holders = 1


class _Queues:
    """The places of one user that are taken, and the requests for one."""

    def __init__(self) -> None:
        self.taken = 0
        self.begun: deque[Place] = deque()
        self.new: deque[Place] = deque()

    def next(self) -> Place | None:
        queue = self.begun or self.new
        return queue.popleft() if queue else None


class UserPlaces:
    """At most `per_user` places per user, granted in order. Safe to use from several threads."""

    def __init__(self, per_user: int) -> None:
        self.per_user = per_user
        self._users: dict[uuid.UUID, _Queues] = {}
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Grant no more places: the threads for the work end."""
        with self._lock:
            self._closed = True

    def take(self, user_id: uuid.UUID, *, has_begun: bool = False) -> Place:
        """Ask for a place. Requests that have begun go first: others may be waiting for their end."""
        place = Place(user_id)
        with self._lock:
            queues = self._users.setdefault(user_id, _Queues())
            (queues.begun if has_begun else queues.new).append(place)
            granted = self._grant(user_id)
        _announce(granted)
        return place

    def waiting(self, user_id: uuid.UUID) -> int:
        """Return how many new requests of a user wait for a place."""
        with self._lock:
            queues = self._users.get(user_id)
            return len(queues.new) if queues is not None else 0

    def withdraw(self, place: Place) -> bool:
        """Stop waiting for a place; False if it was granted meanwhile."""
        if not place.granted.cancel():
            return False
        with self._lock:
            queues = self._users.get(place.user_id)
            if queues is not None and place in queues.new:
                queues.new.remove(place)
        return True

    def share(self, place: Place) -> None:
        """Add a holder to a place that is held."""
        with self._lock:
            place.holders += 1

    def give_back(self, place: Place) -> None:
        """Remove a holder of a place; after the last one, the next request gets it."""
        with self._lock:
            place.holders -= 1
            if place.holders:
                return
            self._users[place.user_id].taken -= 1
            granted = self._grant(place.user_id)
        _announce(granted)

    def _grant(self, user_id: uuid.UUID) -> list[Place]:
        """Return the places that are granted now (with the lock held)."""
        queues = self._users[user_id]
        granted = []
        while not self._closed and queues.taken < self.per_user and (place := queues.next()) is not None:
            if place.granted.set_running_or_notify_cancel():
                queues.taken += 1
                granted.append(place)
        if not queues.taken:
            del self._users[user_id]
        return granted


def _announce(granted: list[Place]) -> None:
    """Call those who wait for these places, without the lock: they start work, which may end at once."""
    for place in granted:
        place.granted.set_result(None)
