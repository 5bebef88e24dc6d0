"""Limit what clients have not read of their responses: it stays in memory until they have.

Only further requests are refused: of the user, and for an address those that are not signed in, so that nobody can lock
out the users at an address. Nobody who reads is disconnected, however slowly (`pantheon.http.connections` ends
connections that hardly read).
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from typing import Any

from pantheon.http.body_limit import send_error
from pantheon.http.credentials import user_id_of_scope
from web.addresses import address_of
from web.errors import RateLimited

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

MOST_BYTES_PER_USER = 8_000_000
MOST_BYTES_PER_ADDRESS = 64_000_000
"""Of those at an address who are not signed in. It may be the address of an office."""
ALWAYS_ANSWERED = ("/api/v1/health", "/api/v1/ready")
"""Paths that are never refused: who asks for them restarts processes, or takes them out of service."""
DOWNLOAD_BYTES = 1_000_000
"""What a response of unknown length keeps in memory: the rows it is made of."""
STREAM_BYTES = 1_000_000
"""What an event stream can keep in memory while its client does not read: a long answer with its HTML."""
RETRY_AFTER_S = 5

UNREAD = "pantheon.unread"
"""Key of an ASGI scope: the `UnreadResponse` of the request."""


class UnreadLimit:
    """ASGI wrapper that refuses requests of users and addresses with too many bytes in unread responses."""

    def __init__(
        self,
        app: Application,
        *,
        per_user: int = MOST_BYTES_PER_USER,
        per_address: int = MOST_BYTES_PER_ADDRESS,
    ) -> None:
        self.app = app
        self.per_user, self.per_address = per_user, per_address
        self._unread: Counter[Hashable] = Counter()
        """Bytes by user and by address. Used only on the web server's event loop."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        address = address_of_scope(scope)
        try:
            self.refuse(address, self.per_address)
        except RateLimited as error:
            if scope["path"] not in ALWAYS_ANSWERED and await user_id_of_scope(scope) is None:
                await send_error(error, scope, send)
                return
        response = UnreadResponse(self, address, send)
        with response.in_memory:
            await self.app({**scope, UNREAD: response}, receive, response.send)

    def refuse(self, key: Hashable, most: int) -> None:
        """Raise RateLimited if as many bytes are unread."""
        if self._unread[key] >= most:
            raise RateLimited("Responses to your earlier requests are still being sent.", RETRY_AFTER_S)

    @contextmanager
    def counted(self, key: Hashable, size: int) -> Iterator[None]:
        self._unread[key] += size
        try:
            yield
        finally:
            self._unread[key] -= size
            if not self._unread[key]:
                del self._unread[key]


class UnreadResponse:
    """A response, counted by what it keeps in memory: for its user, or for the address if there is none.

    A file that is read piece by piece counts by the piece that is being sent, an event stream while its client is not
    reading, and all else in full until its end.
    """

    def __init__(self, limit: UnreadLimit, address: str, send: Send) -> None:
        self._limit, self._send = limit, send
        self._key: Hashable = address
        self._is_events = self._is_file = False
        self.is_streamed = False
        """Whether Django makes the response while it is sent."""
        self.in_memory = ExitStack()

    def begin(self, user_id: uuid.UUID) -> None:
        """Count the response for a user. Raises RateLimited."""
        self._limit.refuse(user_id, self._limit.per_user)
        self._key = user_id

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = {name.lower(): value for name, value in message.get("headers", ())}
            self._is_events = headers.get(b"content-type", b"").startswith(b"text/event-stream")
            length = headers.get(b"content-length", b"")
            self._is_file = self.is_streamed and length.isdigit()
            if not self._is_events and not self._is_file:
                size = int(length) if length.isdigit() else DOWNLOAD_BYTES
                self.in_memory.enter_context(self._limit.counted(self._key, size))
        with self._limit.counted(self._key, self._bytes_of(message)):
            await self._send(message)

    def _bytes_of(self, message: Message) -> int:
        """Return what to count only while a message is being sent."""
        if self._is_events:
            return STREAM_BYTES
        return len(message.get("body", b"")) if self._is_file else 0


def address_of_scope(scope: Message) -> str:
    """Return the client's address as rate limits count it."""
    host, *_ = scope.get("client") or ("",)
    forwarded = [value for name, value in scope.get("headers", ()) if name.lower() == b"x-forwarded-for"]
    return address_of(host or "", b",".join(forwarded).decode("latin-1"))
