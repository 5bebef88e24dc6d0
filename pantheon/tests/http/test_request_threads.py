"""Requests share a few threads; those that need no thread do not wait for one."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pantheon.http.inline_middleware import InlineHandler
from pantheon.http.request_threads import MOST_WAITING, RequestThreads, SharedThreads
from pantheon.http.user_places import UserPlaces
from pantheon.tests.support.asgi import asgi_get
from web.errors import RateLimited

USER_ID = uuid.uuid4()


async def get_health(app: SharedThreads) -> tuple[int, dict[str, str], bytes]:
    return await asgi_get(app, "/api/v1/health").answer()


@pytest.mark.django_db(transaction=True)
def test_the_process_says_that_it_is_up_while_every_thread_waits() -> None:
    app, gate = SharedThreads(InlineHandler(), 1), threading.Event()
    app._threads.submit(gate.wait, 30)
    try:
        status, _, body = asyncio.run(get_health(app))
    finally:
        gate.set()
        app.close()
    assert (status, json.loads(body)["status"]) == (200, "ok")


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


async def test_work_that_outlives_its_request_keeps_the_place(pool) -> None:
    """As when a client disconnects: a thread cannot be stopped."""
    places, gate = UserPlaces(1), threading.Event()
    left = RequestThreads(pool, places, 30)
    await left.begin(USER_ID)
    work = left.submit(gate.wait, 30)
    left.give_place_back()
    with pytest.raises(RateLimited):
        await RequestThreads(pool, places, 0.01).begin(USER_ID)
    gate.set()
    await asyncio.wrap_future(work)
    await RequestThreads(pool, places, 30).begin(USER_ID)


async def test_a_request_that_is_cancelled_while_it_waits_leaves_the_queue(pool) -> None:
    places = UserPlaces(1)
    taken = places.take(USER_ID)
    waiting = asyncio.ensure_future(RequestThreads(pool, places, 30).begin(USER_ID))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    places.give_back(taken)
    await RequestThreads(pool, places, 30).begin(USER_ID)


async def test_a_user_has_a_limited_number_of_waiting_requests(pool) -> None:
    """Their bodies are in memory."""
    places = UserPlaces(1)
    taken = places.take(USER_ID)
    waiting = [
        asyncio.ensure_future(RequestThreads(pool, places, 30).begin(USER_ID)) for _ in range(MOST_WAITING)
    ]
    await asyncio.sleep(0)
    with pytest.raises(RateLimited):
        await RequestThreads(pool, places, 30).begin(USER_ID)
    for request in waiting:
        request.cancel()
    await asyncio.wait(waiting)
    places.give_back(taken)
    await RequestThreads(pool, places, 30).begin(USER_ID)


async def test_reads_of_streams_take_places_too(pool) -> None:
    """Otherwise many streams together would occupy all threads."""
    places, counting = UserPlaces(2), threading.Lock()
    at_once: list[int] = []
    running = 0

    def read() -> None:
        nonlocal running
        with counting:
            running += 1
            at_once.append(running)
        threading.Event().wait(0.01)
        with counting:
            running -= 1

    streams = [RequestThreads(pool, places, 30) for _ in range(8)]
    for stream in streams:
        await stream.begin(USER_ID)
        stream.give_place_back()
    await asyncio.gather(*(asyncio.wrap_future(stream.submit(read)) for stream in streams))
    assert max(at_once) <= 2
    assert len(at_once) == 8


async def test_an_error_of_such_a_read_is_raised_where_it_is_awaited(pool) -> None:
    places = UserPlaces(1)
    stream = RequestThreads(pool, places, 30)
    await stream.begin(USER_ID)
    stream.give_place_back()
    with pytest.raises(ZeroDivisionError):
        await asyncio.wrap_future(stream.submit(lambda: 1 / 0))
    assert await asyncio.wrap_future(stream.submit(lambda: 1)) == 1
