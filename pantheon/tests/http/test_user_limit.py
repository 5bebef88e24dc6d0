"""A few requests of a user are worked on at once; the others wait, and other users do not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as configured

from accounts.tests.support.clients import browser_of
from pantheon.http.inline_middleware import InlineHandler
from pantheon.http.request_threads import SharedThreads
from pantheon.tests.support.asgi import asgi_get
from sessions.tests.factories import bearer, make_user
from sessions.tests.support.server_process import until

pytestmark = pytest.mark.django_db(transaction=True)

ME = "/api/v1/auth/me"


@pytest.fixture(autouse=True)
def plain_static_files(settings) -> None:
    backend = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": backend}


@pytest.fixture
def make_app() -> Iterator[Callable[..., SharedThreads]]:
    """A server's application with places, by default one per user."""
    apps: list[SharedThreads] = []

    def make(threads: int = 4, *, per_user: int = 1, wait_s: float = 30) -> SharedThreads:
        apps.append(SharedThreads(InlineHandler(), threads, per_user=per_user, wait_s=wait_s))
        return apps[-1]

    yield make
    for app in apps:
        app.close()


def cookie_of(user: Any) -> str:
    name = configured.SESSION_COOKIE_NAME
    return f"{name}={browser_of(user).cookies[name].value}"


def test_further_requests_of_a_user_wait_in_order_and_other_users_do_not(alice, make_app) -> None:
    tokens, other, cookie = [bearer(alice) for _ in range(2)], bearer(make_user("bob")), cookie_of(alice)
    app, answered = make_app(), []

    async def run() -> None:
        for token in tokens:
            assert (await asgi_get(app, ME, authorization=token).answer())[0] == 200
        running = app.places.take(alice.pk)
        waiting = [
            asgi_get(app, ME, authorization=tokens[0], on_answer=lambda: answered.append("first")),
            asgi_get(app, ME, authorization=tokens[1], on_answer=lambda: answered.append("second")),
        ]
        for _ in range(2):
            assert (await asgi_get(app, ME, authorization=other).answer())[0] == 200
        assert answered == []
        last = asgi_get(app, "/", cookie=cookie, on_answer=lambda: answered.append("last"))
        assert (await asgi_get(app, ME, authorization=other).answer())[0] == 200
        app.places.give_back(running)
        assert [(await request.answer())[0] for request in (*waiting, last)] == [200, 200, 200]

    asyncio.run(run())
    assert answered == ["first", "second", "last"]


@pytest.mark.parametrize(
    ("path", "is_browser"), [(ME, False), (ME, True), ("/v1/models", False), ("/", True), ("/admin/", True)]
)
def test_a_user_who_waits_too_long_gets_429(alice, make_app, path, is_browser) -> None:
    """Whichever credential the request carries, also one that this process has not seen before."""
    sent: dict[str, Any] = {"cookie": cookie_of(alice)} if is_browser else {"authorization": bearer(alice)}
    app = make_app(wait_s=0.01)

    async def run() -> tuple[tuple[int, dict[str, str], bytes], int]:
        running = app.places.take(alice.pk)
        refusal = await asgi_get(app, path, **sent).answer()
        app.places.give_back(running)
        return refusal, (await asgi_get(app, path, **sent).answer())[0]

    (status, headers, body), later = asyncio.run(run())
    assert (status, headers["retry-after"]) == (429, "5")
    assert later in (200, 302)
    if path in ("/", "/admin/"):
        assert b"Too many requests" in body
    else:
        assert json.loads(body)["error"]["code"] == "rate_limited"


def test_who_is_not_signed_in_takes_no_place(make_app) -> None:
    app = make_app()

    async def run() -> list[int]:
        requests = [
            asgi_get(app, ME),
            asgi_get(app, ME, authorization="Bearer unknown"),
            asgi_get(app, ME, cookie=f"{configured.SESSION_COOKIE_NAME}=unknown"),
        ]
        return [(await request.answer())[0] for request in requests]

    assert asyncio.run(run()) == [401, 401, 401]
    assert not app.places._users


def test_every_request_gives_its_place_back(alice, make_app) -> None:
    token, app = bearer(alice), make_app()

    async def run() -> list[int]:
        paths = (ME, "/api/v1/rooms", "/api/v1/turns/none", "/v1/none", "/api/v1/search")
        requests = [asgi_get(app, path, authorization=token) for path in paths for _ in range(3)]
        return [(await request.answer())[0] for request in requests]

    assert set(asyncio.run(run())) == {200, 404, 400}
    until(lambda: not app.places._users)  # the last responses are being closed


def test_0_is_no_limit(alice, make_app) -> None:
    token, app = bearer(alice), make_app(2, per_user=0)

    async def run() -> list[int]:
        requests = [asgi_get(app, ME, authorization=token) for _ in range(5)]
        return [(await request.answer())[0] for request in requests]

    assert asyncio.run(run()) == [200] * 5


def test_one_thread_is_left_to_others(make_app) -> None:
    assert make_app(2, per_user=3).places.per_user == 1
