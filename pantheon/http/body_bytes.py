"""Bound what large request bodies take on disk and in memory, by user: nobody else may send one."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import MutableMapping
from typing import Any

from pantheon.http.credentials import API_PATHS, user_id_of_scope
from web.errors import PantheonError, RateLimited

MOST_BYTES_UNKNOWN = 64 * 1024
"""Of a body from somebody who is not signed in: the forms to sign in or to create an account need less."""
BODIES_PER_USER, BODIES_IN_ALL = 2, 8
"""How many bodies of the maximum size one user, and all users of a process, may send at once; or more smaller ones."""
RETRY_AFTER_S = 10


class BodyBytes:
    """The bytes of large bodies whose requests have not ended. Used only on the web server's event loop."""

    def __init__(self, largest: int) -> None:
        self.largest = largest
        """Maximum size of a body."""
        self._users: Counter[uuid.UUID] = Counter()

    def add(self, user_id: uuid.UUID, size: int) -> None:
        """Count bytes for a user. Raises RateLimited."""
        if (
            self._users[user_id] >= BODIES_PER_USER * self.largest
            or self._users.total() >= BODIES_IN_ALL * self.largest
        ):
            raise RateLimited("Too many large requests are in progress.", RETRY_AFTER_S)
        self._users[user_id] += size

    def remove(self, user_id: uuid.UUID, size: int) -> None:
        self._users[user_id] -= size
        if not self._users[user_id]:
            del self._users[user_id]


class RequestBody:
    """A body that is counted from when it is large until its request ends."""

    def __init__(self, counted: BodyBytes, scope: MutableMapping[str, Any]) -> None:
        self._counted, self._scope = counted, scope
        self._user_id: uuid.UUID | None = None
        self._size = 0

    async def grow(self, size: int) -> None:
        """Count the body as of this size, announced or received.

        Raises `not_authenticated`, `payload_too_large` (outside the API) and RateLimited.
        """
        if size <= max(self._size, MOST_BYTES_UNKNOWN):
            return
        if self._user_id is None:
            self._user_id = await user_id_of_scope(self._scope)
        if self._user_id is None:
            raise unknown_sender(self._scope["path"])
        self._counted.add(self._user_id, size - self._size)
        self._size = size

    def end(self) -> None:
        if self._user_id is not None:
            self._counted.remove(self._user_id, self._size)


def unknown_sender(path: str) -> PantheonError:
    if path.startswith(API_PATHS):
        return PantheonError(
            "not_authenticated",
            "Sign in, or send a valid token: Authorization: Bearer <token>.",
            headers={"WWW-Authenticate": 'Bearer realm="Pantheon"'},
        )
    return too_large(MOST_BYTES_UNKNOWN)


def too_large(limit_bytes: int) -> PantheonError:
    return PantheonError(
        "payload_too_large", f"Requests are limited to {limit_bytes} bytes.", {"limit_bytes": limit_bytes}
    )
