"""Who does not read responses gets no further ones: what is not read is in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as configured
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.tests.support.clients import browser_of, client_of
from pantheon.http.inline_middleware import InlineHandler
from pantheon.http.request_threads import SharedThreads
from pantheon.http.unread_limit import DOWNLOAD_BYTES, STREAM_BYTES, UnreadLimit
from pantheon.tests.support.asgi import AsgiRequest, asgi_get
from sessions.tests.factories import bearer, make_user

ME = "/api/v1/auth/me"
LENGTH = [(b"content-length", b"1000")]
STREAM = [(b"content-type", b"text/event-stream; charset=utf-8")]


class UnreadRequest(AsgiRequest):
    """A GET whose client reads the head of the response, and nothing else until `read` is called."""

    def __init__(self, app: Any, path: str, headers: dict[str, str]) -> None:
        self.begun, self._reading = asyncio.Event(), asyncio.Event()
        super().__init__(app, path, headers, lambda: None)

    async def read(self) -> None:
        self._reading.set()
        await self._task

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            self.begun.set()
            await self._reading.wait()
        await super()._send(message)


@pytest.fixture
def threads() -> Iterator[SharedThreads]:
    app = SharedThreads(InlineHandler(), 4, per_user=3)
    yield app
    app.close()


def answering(headers: list[tuple[bytes, bytes]], *, until: asyncio.Event | None = None) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        if until is not None:
            await until.wait()
        await send({"type": "http.response.body", "body": b""})

    return app


def cookie_of(user: Any) -> str:
    name = configured.SESSION_COOKIE_NAME
    return f"{name}={browser_of(user).cookies[name].value}"


async def status_of(app: Any, *, authorization: str = "") -> int:
    return (await asgi_get(app, ME, authorization=authorization).answer())[0]


@pytest.mark.django_db(transaction=True)
def test_a_user_who_does_not_read_is_refused_and_others_are_not(alice, threads) -> None:
    app = UnreadLimit(threads, per_user=100)
    asyncio.run(leave_unread(app, bearer(alice), bearer(make_user("bob"))))
    threads.close()  # work on them gives its place back a moment after the response
    assert not threads.places._users


async def leave_unread(app: UnreadLimit, token: str, other: str) -> None:
    unread = UnreadRequest(app, ME, {"Authorization": token})
    await unread.begun.wait()
    status, headers, body = await asgi_get(app, "/api/v1/rooms", authorization=token).answer()
    assert (status, headers["retry-after"]) == (429, "5")
    assert json.loads(body)["error"]["code"] == "rate_limited"
    assert await status_of(app, authorization=other) == 200
    await unread.read()
    assert await status_of(app, authorization=token) == 200


@pytest.mark.django_db(transaction=True)
def test_a_file_counts_by_the_piece_that_is_sent(alice, threads, tmp_path, settings) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "files": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }
    token = bearer(alice)
    upload = client_of(alice).post("/api/v1/files", {"file": SimpleUploadedFile("notes.txt", b"Hello. " * 9)})
    assert upload.status_code == 201, upload.content
    path = f"/api/v1/files/{upload.json()['id']}/content"
    asyncio.run(leave_file_unread(UnreadLimit(threads, per_user=DOWNLOAD_BYTES), path, token))


async def leave_file_unread(app: UnreadLimit, path: str, token: str) -> None:
    unread = UnreadRequest(app, path, {"Authorization": token})
    await unread.begun.wait()
    assert await status_of(app, authorization=token) == 200
    await unread.read()


@pytest.mark.django_db(transaction=True)
def test_users_at_an_address_that_does_not_read_are_answered(alice) -> None:
    app = SharedThreads(UnreadLimit(InlineHandler(), per_address=50), 4, per_user=3)
    try:
        asyncio.run(leave_unread_without_account(app, bearer(alice), cookie_of(alice)))
    finally:
        app.close()


async def leave_unread_without_account(app: SharedThreads, token: str, cookie: str) -> None:
    unread = UnreadRequest(app, ME, {})
    await unread.begun.wait()
    assert await status_of(app) == 429
    assert await status_of(app, authorization="Bearer unknown") == 429
    assert (await asgi_get(app, "/api/v1/health").answer())[0] == 200
    assert (await asgi_get(app, "/api/v1/ready").answer())[0] != 429
    assert await status_of(app, authorization=token) == 200
    assert (await asgi_get(app, ME, cookie=cookie).answer())[0] == 200
    await unread.read()


@pytest.mark.django_db(transaction=True)
def test_responses_to_users_do_not_count_for_their_address(alice) -> None:
    app = SharedThreads(UnreadLimit(InlineHandler(), per_address=50), 4, per_user=3)
    try:
        asyncio.run(leave_unread_with_account(app, bearer(alice)))
    finally:
        app.close()


async def leave_unread_with_account(app: SharedThreads, token: str) -> None:
    unread = UnreadRequest(app, ME, {"Authorization": token})
    await unread.begun.wait()
    assert await status_of(app) == 401
    await unread.read()


@pytest.mark.django_db(transaction=True)
def test_a_static_file_counts_by_the_piece_that_is_sent(tmp_path, settings) -> None:
    settings.STATIC_ROOT = str(tmp_path)
    (tmp_path / "large.js").write_bytes(b"x" * 300_000)
    app = SharedThreads(UnreadLimit(InlineHandler(), per_address=100_000), 4)
    try:
        asyncio.run(leave_static_file_unread(app))
    finally:
        app.close()


async def leave_static_file_unread(app: SharedThreads) -> None:
    unread = UnreadRequest(app, "/static/large.js", {})
    await unread.begun.wait()
    status, headers, body = await asgi_get(app, "/static/large.js").answer()
    assert (status, headers["content-length"], len(body)) == (200, "300000", 300_000)
    await unread.read()


async def test_an_address_that_does_not_read_is_refused_without_an_account() -> None:
    app = UnreadLimit(answering(LENGTH), per_address=1_000)
    unread = UnreadRequest(app, "/", {})
    await unread.begun.wait()
    status, headers, body = await asgi_get(app, "/v1/models").answer()
    assert (status, headers["retry-after"]) == (429, "5")
    assert json.loads(body)["error"]["message"].endswith("Try again in 5 s.")
    await unread.read()
    assert await status_of(app) == 200


@pytest.mark.parametrize(("most", "status"), [(DOWNLOAD_BYTES, 429), (DOWNLOAD_BYTES + 1, 200)])
async def test_a_download_counts_by_what_it_keeps_in_memory(most: int, status: int) -> None:
    app = UnreadLimit(answering([]), per_address=most)
    unread = UnreadRequest(app, "/", {})
    await unread.begun.wait()
    assert await status_of(app) == status
    await unread.read()


@pytest.mark.parametrize("is_read", [True, False])
async def test_an_event_stream_counts_only_while_it_is_not_read(is_read: bool) -> None:
    end = asyncio.Event()
    app = UnreadLimit(answering(STREAM, until=end), per_address=STREAM_BYTES)
    stream = UnreadRequest(app, "/", {})
    await stream.begun.wait()
    reading = asyncio.ensure_future(stream.read()) if is_read else None
    await asyncio.sleep(0.01)
    other = asgi_get(app, ME)
    await asyncio.sleep(0.01)
    end.set()
    assert (await other.answer())[0] == (200 if is_read else 429)
    await (reading or stream.read())
