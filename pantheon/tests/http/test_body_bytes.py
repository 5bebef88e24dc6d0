"""Large bodies are taken from users only, and only so many at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from django.conf import settings

from accounts.tests.support.clients import browser_of
from pantheon.http.body_bytes import BODIES_IN_ALL, BODIES_PER_USER, MOST_BYTES_UNKNOWN
from pantheon.http.body_limit import BodyLimit, Message, Receive, Send
from pantheon.http.request_threads import SharedThreads
from sessions.tests.factories import bearer, make_user

pytestmark = pytest.mark.django_db(transaction=True)

LARGEST = 4 * MOST_BYTES_UNKNOWN
PIECE = b"x" * (MOST_BYTES_UNKNOWN // 2)
FILES = "/api/v1/files"


class Upload:
    """A POST whose client sends the last piece of its body when `finish` is called."""

    def __init__(self, app: Any, path: str = FILES, *, pieces: int = 8, **headers: str) -> None:
        self.read = 0
        self._left, self._pieces = pieces, pieces
        self._may_end, self.is_waiting = asyncio.Event(), asyncio.Event()
        self._sent: list[Message] = []
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        }
        self._task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        self._left -= 1
        if not self._left:
            self.is_waiting.set()
            await self._may_end.wait()
        self.read += 1
        return {"type": "http.request", "body": PIECE, "more_body": bool(self._left)}

    async def _send(self, message: Message) -> None:
        self._sent.append(message)

    async def finish(self) -> int:
        """Return the status."""
        self._may_end.set()
        await self._task
        status: int = self._sent[0]["status"]
        return status

    @property
    def error(self) -> str:
        code: str = json.loads(self._sent[1]["body"])["error"]["code"]
        return code


async def taker(scope: Message, receive: Receive, send: Send) -> None:
    while (await receive())["more_body"]:
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def app() -> Iterator[SharedThreads]:
    limit = BodyLimit(taker, max_bytes=LARGEST, limit_bytes=LARGEST, idle_s=30)
    threads = SharedThreads(limit, 2)
    yield threads
    threads.close()


def run(check: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(check(), 60))


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer unknown"}, {"cookie": "pantheon_session=x"}]
)
@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (FILES, 401, "not_authenticated"),
        ("/api/v1/rooms", 401, "not_authenticated"),
        ("/sign-in", 413, "payload_too_large"),
    ],
)
def test_a_large_body_of_somebody_unknown_is_not_read(app, headers, path, status, code) -> None:
    async def check() -> None:
        announced = Upload(app, path, content_length=str(8 * len(PIECE)), **headers)
        assert await announced.finish() == status
        assert (announced.read, announced.error) == (0, code)
        unannounced = Upload(app, path, **headers)
        assert await unannounced.finish() == status
        assert (unannounced.read, unannounced.error) == (3, code)

    run(check)


def test_a_small_body_of_somebody_unknown_is_read(app) -> None:
    async def check() -> None:
        assert await Upload(app, "/sign-in", pieces=2, content_length=str(2 * len(PIECE))).finish() == 200
        assert await Upload(app, "/sign-in", pieces=2).finish() == 200

    run(check)


@pytest.mark.parametrize("is_announced", [True, False])
@pytest.mark.parametrize("is_browser", [True, False])
def test_a_large_body_of_a_user_is_read(alice, app, is_browser: bool, is_announced: bool) -> None:
    name = settings.SESSION_COOKIE_NAME
    headers: dict[str, Any] = (
        {"cookie": f"{name}={browser_of(alice).cookies[name].value}"}
        if is_browser
        else {"authorization": bearer(alice)}
    )
    if is_announced:
        headers["content_length"] = str(8 * len(PIECE))

    async def check() -> None:
        assert await Upload(app, **headers).finish() == 200

    run(check)


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_user_sends_a_few_large_bodies_at_once(alice, app, is_announced: bool) -> None:
    length: dict[str, Any] = {"content_length": str(8 * len(PIECE))} if is_announced else {}
    token, other = bearer(alice), bearer(make_user("bob"))

    async def check() -> None:
        uploads = []
        for _ in range(BODIES_PER_USER):
            uploads.append(Upload(app, authorization=token, **length))
            await uploads[-1].is_waiting.wait()
        refused = Upload(app, authorization=token, **length)
        assert await refused.finish() == 429
        assert refused.error == "rate_limited"
        assert await Upload(app, authorization=token, pieces=2).finish() == 200
        assert await Upload(app, authorization=other, **length).finish() == 200
        assert [await upload.finish() for upload in uploads] == [200] * BODIES_PER_USER
        assert await Upload(app, authorization=token, **length).finish() == 200

    run(check)


def test_all_users_send_so_many_large_bodies_at_once(app) -> None:
    length: dict[str, Any] = {"content_length": str(8 * len(PIECE))}
    tokens = [bearer(make_user(f"user{number}")) for number in range(BODIES_IN_ALL + 1)]

    async def check() -> None:
        uploads = [Upload(app, authorization=token, **length) for token in tokens[:-1]]
        for upload in uploads:
            await upload.is_waiting.wait()
        assert await Upload(app, authorization=tokens[-1], **length).finish() == 429
        assert [await upload.finish() for upload in uploads] == [200] * BODIES_IN_ALL
        assert await Upload(app, authorization=tokens[-1], **length).finish() == 200

    run(check)
