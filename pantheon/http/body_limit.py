"""No body fills the disk or takes forever: Django receives a body whole before any view can refuse it.

What is a little over `DATA_UPLOAD_MAX_MEMORY_SIZE` gets its answer from Django, after a look at who asks; what is far
over it is refused here, unread. So is a body of which nothing comes for a while, or that is slower on the whole than
BYTES_PER_S.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from sessions.api.openai_compatible.errors import OPENAI_PREFIX, openai_error
from web.errors import PantheonError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]


BYTES_PER_S = 10_000
"""A slow mobile network has more."""


class BodyTooLarge(Exception):
    """More came than is read."""


class BodyTooSlow(Exception):
    """Too little came."""


class BodyLimit:
    """An ASGI application whose requests have at most `max_bytes`; `limit_bytes` is what people are told.

    `idle_s`: how long a body may pause, and how much longer it may take than BYTES_PER_S has it.
    """

    def __init__(self, app: Application, *, max_bytes: int, limit_bytes: int, idle_s: float) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.limit_bytes = limit_bytes
        self.idle_s = idle_s

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if announced_bytes(scope) > self.max_bytes:
            await self.refuse(scope, send)
            return
        received = 0
        begun = whole = False
        clock = asyncio.get_running_loop().time
        started_s = clock()

        async def bounded_receive() -> Message:
            nonlocal received, whole
            if whole:  # what is waited for now is the client's leaving
                return await receive()
            due_s = started_s + self.idle_s + received / BYTES_PER_S
            try:
                async with asyncio.timeout_at(min(due_s, clock() + self.idle_s)):
                    message = await receive()
            except TimeoutError as error:
                raise BodyTooSlow from error
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                raise BodyTooLarge
            whole = not message.get("more_body", False)
            return message

        async def watched_send(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, bounded_receive, watched_send)
        except BodyTooLarge:
            if not begun:
                await self.refuse(scope, send)
        except BodyTooSlow:
            if not begun:
                await refuse_slow(send)

    async def refuse(self, scope: Message, send: Send) -> None:
        """Answer 413 and close: what is still coming is not read."""
        request_id = uuid.uuid4().hex
        error = PantheonError(
            "payload_too_large",
            f"A request may have {self.limit_bytes} bytes.",
            {"limit_bytes": self.limit_bytes},
        )
        shown = error.as_dict(request_id)
        if scope["path"].startswith(OPENAI_PREFIX):
            shown = openai_error(shown["error"], error.http_status)
        body = json.dumps(shown).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            (b"x-request-id", request_id.encode()),
        ]
        await send({"type": "http.response.start", "status": error.http_status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def refuse_slow(send: Send) -> None:
    """Answer 408 without words, as to a slow head, and close."""
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 408, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def announced_bytes(scope: Message) -> int:
    """Return what `Content-Length` says, 0 where it says nothing."""
    for name, value in scope["headers"]:
        if name.lower() == b"content-length" and value.isdigit():
            return int(value)
    return 0
