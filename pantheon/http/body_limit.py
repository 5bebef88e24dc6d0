"""Limit size and duration of request bodies: Django reads a body completely before a view can refuse it.

Django itself refuses a body slightly above DATA_UPLOAD_MAX_MEMORY_SIZE, after authentication. One far above it is
refused here, unread, as is one that pauses for too long or falls too far behind BYTES_PER_S. `pantheon.http.body_bytes`
refuses large bodies of those who are not signed in, and too many of a user.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from pantheon.http.body_bytes import BodyBytes, RequestBody, too_large
from sessions.api.openai_compatible.errors import OPENAI_PREFIX, openai_error
from web.errors import PantheonError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]


BYTES_PER_S = 10_000
"""Slower than any usable mobile network."""


MOST_TINY_PIECES, LEAST_PIECE_BYTES = 1_000, 32
"""A body may arrive in so many pieces however small they are; each of them costs as much as a large one."""
PAUSE_EVERY = 50
"""Pieces after which others are worked on: many may have arrived at once."""


class BodyTooSlow(Exception):
    """The body paused for too long or is too slow."""


class BodyLimit:
    """ASGI wrapper that refuses bodies above `max_bytes`. The error names `limit_bytes`, Django's lower limit.

    `larger`: paths whose POST requests may have larger bodies, with their limits. `idle_s`: how long a body may pause,
    or be behind BYTES_PER_S.
    """

    def __init__(
        self,
        app: Application,
        *,
        max_bytes: int,
        limit_bytes: int,
        idle_s: float,
        larger: Mapping[str, int] | None = None,
    ) -> None:
        self.app = app
        self.larger = larger or {}
        self.max_bytes = max_bytes
        self.limit_bytes = limit_bytes
        self.idle_s = idle_s
        self.bodies = BodyBytes(max(max_bytes, *self.larger.values()) if self.larger else max_bytes)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = RequestBody(self.bodies, scope)
        response_started = False

        async def watched_send(message: Message) -> None:
            nonlocal response_started
            response_started = True
            await send(message)

        try:
            if (announced := announced_bytes(scope)) > self.max_bytes_of(scope):
                raise self.too_large(scope)
            await body.grow(announced)
            await self.app(scope, self.bounded(receive, scope, body), watched_send)
        except PantheonError as error:  # not from a view: Django handles those
            if not response_started:
                await send_error(error, scope, send)
        except BodyTooSlow:
            if not response_started:
                await refuse_slow(send)
        finally:
            body.end()

    def bounded(self, receive: Receive, scope: Message, body: RequestBody) -> Receive:
        """Return `receive` within the limits. It raises PantheonError and BodyTooSlow."""
        received = pieces = 0
        is_complete = False
        max_bytes = self.max_bytes_of(scope)
        clock = asyncio.get_running_loop().time
        due_s = clock() + self.idle_s

        async def bounded_receive() -> Message:
            nonlocal received, pieces, is_complete, due_s
            if is_complete:  # the application waits for a disconnect, which has no deadline
                return await receive()
            try:
                async with asyncio.timeout_at(due_s):
                    message = await receive()
            except TimeoutError as error:
                raise BodyTooSlow from error
            size = len(message.get("body", b""))
            received += size
            # What arrives fast saves no time for later pauses.
            due_s = min(due_s + size / BYTES_PER_S, clock() + self.idle_s)
            pieces += 1
            if pieces > MOST_TINY_PIECES and received < LEAST_PIECE_BYTES * pieces:
                raise BodyTooSlow
            if not pieces % PAUSE_EVERY:
                await asyncio.sleep(0)
            if received > max_bytes:
                raise self.too_large(scope)
            received_s = clock()
            await body.grow(received)
            due_s += clock() - received_s  # a query is not the client's delay
            is_complete = not message.get("more_body", False)
            return message

        return bounded_receive

    def max_bytes_of(self, scope: Message) -> int:
        limit = self.larger.get(scope["path"], 0) if scope.get("method") == "POST" else 0
        return max(self.max_bytes, limit)

    def too_large(self, scope: Message) -> PantheonError:
        return too_large(self.larger.get(scope["path"], self.limit_bytes))


async def send_error(error: PantheonError, scope: Message, send: Send) -> None:
    """Answer with an error and close the connection without reading the rest, if the request does not reach Django."""
    request_id = uuid.uuid4().hex
    content = error.as_dict(request_id)
    if scope["path"].startswith(OPENAI_PREFIX):
        content = openai_error(content["error"], error.http_status)
    body = json.dumps(content).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        (b"x-request-id", request_id.encode()),
        *((name.lower().encode(), value.encode()) for name, value in error.headers.items()),
    ]
    await send({"type": "http.response.start", "status": error.http_status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse_slow(send: Send) -> None:
    """Answer 408 with an empty body and close the connection."""
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 408, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def announced_bytes(scope: Message) -> int:
    """Return the Content-Length, 0 if missing or invalid."""
    for name, value in scope["headers"]:
        if name.lower() == b"content-length" and value.isdigit():
            return int(value)
    return 0
