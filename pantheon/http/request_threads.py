"""Run the blocking work of all requests on a few shared threads, of which one user occupies a few at a time.

Django itself would start a thread per request and keep it until the response ends: an idle thread per event stream.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import ThreadSensitiveContext
from django.core import signals
from django.db import close_old_connections, reset_queries

from pantheon.http.user_places import Place, UserPlaces
from sessions.live.database import DatabaseThreads
from web.errors import RateLimited

Application = Callable[[Any, Any, Any], Awaitable[None]]
P = ParamSpec("P")
R = TypeVar("R")

WAIT_S = 10.0
"""How long a request waits for a place. Requests of a page wait for milliseconds."""

RETRY_AFTER_S = 5

MOST_WAITING = 100
"""How many requests of a user wait at most: each has its body in memory."""

THREADS = "pantheon.threads"
"""Key of an ASGI scope: the `RequestThreads` of the request."""


class RequestThreads(Executor):
    """The shared threads as used by one request, within the limit of its user, if the user is known.

    The request holds a place until its response is ready or it waits for a turn. Afterwards each piece of work, such
    as a read for a stream, takes a place of its own. Work on a thread keeps its place to its end even if the client
    has disconnected, because it cannot be stopped.
    """

    def __init__(self, threads: Executor, places: UserPlaces, wait_s: float) -> None:
        self._threads = threads
        self._places = places
        self._wait_s = wait_s
        self._user_id: uuid.UUID | None = None
        self._place: Place | None = None

    async def begin(self, user_id: uuid.UUID) -> None:
        """Wait for a place of the user, without a thread, and hold it.

        Raises RateLimited after `wait_s`, and at once if too many wait already.
        """
        if not self._places.per_user:
            return
        if self._places.waiting(user_id) >= MOST_WAITING:
            raise too_many_requests()
        place = self._places.take(user_id)
        try:
            if not place.granted.done():
                async with asyncio.timeout(self._wait_s):
                    await asyncio.wrap_future(place.granted)
        except TimeoutError:
            if self._places.withdraw(place):
                raise too_many_requests() from None
        except asyncio.CancelledError:
            if not self._places.withdraw(place):
                self._places.give_back(place)
            raise
        self._user_id, self._place = user_id, place

    def give_place_back(self) -> None:
        """Let another request of the user begin."""
        place, self._place = self._place, None
        if place is not None:
            self._places.give_back(place)

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        if self._user_id is None:
            return self._threads.submit(fn, *args, **kwargs)
        if self._place is None:
            return self._submit_later(self._places.take(self._user_id, has_begun=True), fn, *args, **kwargs)
        place = self._place
        self._places.share(place)
        result = self._threads.submit(fn, *args, **kwargs)
        result.add_done_callback(lambda _: self._places.give_back(place))
        return result

    def _submit_later(
        self, place: Place, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[R]:
        """Submit `fn` as soon as the place is granted, and give the place back after it."""
        result: Future[R] = Future()

        def run() -> None:
            if not result.set_running_or_notify_cancel():
                return
            try:
                value = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001  (raised where the result is awaited)
                result.set_exception(error)
            else:
                result.set_result(value)

        def start(_: Future[None]) -> None:
            self._threads.submit(run).add_done_callback(lambda _: self._places.give_back(place))

        place.granted.add_done_callback(start)
        return result


def too_many_requests() -> RateLimited:
    return RateLimited("Too many of your requests are in progress.", RETRY_AFTER_S)


class SharedThreads:
    """ASGI wrapper that runs synchronous code, such as views, on `threads` threads with a database connection each.

    Parts of one request may run on different threads. This is safe: only the connection is bound to a thread, and no
    transaction spans two parts. `per_user`: how many requests of a user are worked on at once, 0 for any number; one
    thread is always left to others.
    """

    def __init__(self, app: Application, threads: int, *, per_user: int = 0, wait_s: float = WAIT_S) -> None:
        self.app = app
        self.places = UserPlaces(min(per_user, max(1, threads - 1)))
        self._wait_s = wait_s
        self._threads = DatabaseThreads(threads, "request")
        # DatabaseThreads manages its connections; these handlers would cost two thread hops per request.
        signals.request_started.disconnect(reset_queries)
        signals.request_started.disconnect(close_old_connections)
        signals.request_finished.disconnect(close_old_connections)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        threads = RequestThreads(self._threads, self.places, self._wait_s)
        async with ThreadSensitiveContext(executor=threads):
            await self.app({**scope, THREADS: threads}, receive, send)

    def close(self) -> None:
        """Close the threads and their connections."""
        # First: work that is cancelled gives its place back, and a thread pool that is closing takes no other.
        self.places.close()
        self._threads.close()
