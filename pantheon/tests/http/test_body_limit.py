"""Bodies far above the limit are refused unread."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from pantheon.http.body_limit import MOST_TINY_PIECES, BodyLimit, Message, Receive, Send

CHUNK = b"x" * 40


class Taker:
    """An application that reads the whole body, as Django does, and answers 200."""

    def __init__(self) -> None:
        self.read = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            self.read += len(message.get("body", b""))
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


async def status_of(
    app: Taker, chunks: list[bytes], *, path: str = "/api/v1/rooms", **headers: str
) -> tuple[int, bytes, int]:
    """Return status, response body, and the number of chunks read."""
    asked = 0
    sent: list[Message] = []
    coming: Iterator[tuple[int, bytes]] = iter(enumerate(chunks, start=1))

    async def receive() -> Message:
        nonlocal asked
        asked += 1
        number, chunk = next(coming)
        return {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "path": path,
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    await BodyLimit(app, max_bytes=100, limit_bytes=50, idle_s=5)(scope, receive, send)
    return sent[0]["status"], sent[1]["body"], asked


async def test_what_fits_is_passed_on() -> None:
    app = Taker()
    assert await status_of(app, [CHUNK, CHUNK], content_length="80") == (200, b"ok", 2)
    assert app.read == 80


async def test_what_says_that_it_is_too_large_is_not_read() -> None:
    app = Taker()
    status, body, asked = await status_of(app, [CHUNK] * 9, content_length="360")
    assert (status, asked, app.read) == (413, 0, 0)
    error = json.loads(body)["error"]
    assert (error["code"], error["details"]) == ("payload_too_large", {"limit_bytes": 50})
    assert error["request_id"]


async def test_openais_clients_get_errors_in_their_shape() -> None:
    _, body, _ = await status_of(Taker(), [CHUNK], path="/v1/chat/completions", content_length="360")
    assert json.loads(body) == {
        "error": {
            "message": "Requests are limited to 50 bytes.",
            "type": "invalid_request_error",
            "param": None,
            "code": "payload_too_large",
        }
    }


@pytest.mark.parametrize("headers", [{}, {"content_length": "10"}, {"content_length": "many"}])
async def test_what_turns_out_to_be_too_large_is_not_read_on(headers) -> None:
    app = Taker()
    status, _, asked = await status_of(app, [CHUNK] * 9, **headers)
    assert (status, asked) == (413, 3)
    assert app.read == 80


async def test_events_other_than_requests_pass() -> None:
    seen = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nothing(*args: Any) -> Any:
        raise AssertionError

    await BodyLimit(app, max_bytes=1, limit_bytes=1, idle_s=5)({"type": "lifespan"}, nothing, nothing)
    assert seen == ["lifespan"]


async def test_a_body_in_tiny_pieces_is_refused() -> None:
    """Each piece costs as much as a large one: a megabyte of them keeps a process busy for seconds."""
    messages = itertools.chain(
        {"type": "http.request", "body": b"x", "more_body": True} for _ in range(MOST_TINY_PIECES + 1)
    )
    sent: list[Message] = []

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "path": "/api/v1/rooms", "headers": []}
    await BodyLimit(Taker(), max_bytes=10**6, limit_bytes=10**6, idle_s=5)(scope, receive, send)
    assert sent[0]["status"] == 408


async def test_a_body_that_began_fast_may_not_pause_longer() -> None:
    messages = itertools.chain([b"x" * 60_000], itertools.repeat(b"x"))
    sent: list[Message] = []

    async def receive() -> Message:
        body = next(messages)
        await asyncio.sleep(0 if len(body) > 1 else 0.01)
        return {"type": "http.request", "body": body, "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    limit = BodyLimit(Taker(), max_bytes=8_000_000, limit_bytes=8_000_000, idle_s=0.1)
    async with asyncio.timeout(20):
        await limit({"type": "http", "path": "/", "headers": []}, receive, send)
    assert sent[0]["status"] == 408
