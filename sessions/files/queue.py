"""Let a process convert a few files at once; others wait, but not for long and not too many."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import BinaryIO

from sessions.files.conversion import TIME_S, children_end, convert, restarting
from sessions.files.converter.results import Converted
from web.errors import RateLimited

AT_ONCE = 2
"""Conversions of one process. Each may take 512 MiB and a processor."""

MOST_WAITING = 40
MOST_PER_USER = 12
"""Of one user's files, running and waiting: the files of a message, and two more."""

WAIT_S = 60.0
RETRY_S = 10


Conversion = tuple[BinaryIO, Future[Converted]]


class ConversionQueue:
    """Conversions of this process, one at a time of each user, in turn.

    Threads start with the first one, so after a fork.
    """

    def __init__(self, work: Callable[[BinaryIO], Converted] = convert) -> None:
        self._work = work
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="convert-file")
        self._lock = threading.Lock()
        self._users: Counter[uuid.UUID] = Counter()
        self._waiting: dict[uuid.UUID, deque[Conversion]] = {}
        """In the order in which users have their turn."""
        self._running: set[uuid.UUID] = set()
        self._is_stopped = False

    def run(self, content: BinaryIO, user_id: uuid.UUID) -> Converted:
        """Convert a file, on one of the queue's threads. Raises like `convert`, and `rate_limited`."""
        with self._place(user_id):
            future = self._submit(content, user_id)
            try:
                return future.result(WAIT_S + TIME_S)
            except TimeoutError as error:
                future.cancel()
                raise too_busy() from error

    async def run_aside(self, content: BinaryIO, user_id: uuid.UUID) -> Converted:
        """Do the same, while neither a thread of the requests nor the event loop waits."""
        with self._place(user_id):
            future = asyncio.wrap_future(self._submit(content, user_id))
            try:
                return await asyncio.wait_for(future, WAIT_S + TIME_S)
            except TimeoutError as error:
                raise too_busy() from error

    def _submit(self, content: BinaryIO, user_id: uuid.UUID) -> Future[Converted]:
        result: Future[Converted] = Future()
        with self._lock:
            if self._is_stopped:
                raise restarting()
            self._waiting.setdefault(user_id, deque()).append((content, result))
        self._start()
        return result

    def _start(self) -> None:
        """Start what may run: one file of each user at a time, so that nobody's slow ones occupy all threads."""
        started = []
        with self._lock:
            while len(self._running) < AT_ONCE and (user_id := self._next_user()) is not None:
                conversions = self._waiting.pop(user_id)
                content, result = conversions.popleft()
                if conversions:
                    self._waiting[user_id] = conversions  # last in the order
                if result.set_running_or_notify_cancel():
                    self._running.add(user_id)
                    started.append((user_id, content, result))
        for user_id, content, result in started:
            self._threads.submit(self._convert, user_id, content, result)

    def _next_user(self) -> uuid.UUID | None:
        return next((user_id for user_id in self._waiting if user_id not in self._running), None)

    def _convert(self, user_id: uuid.UUID, content: BinaryIO, result: Future[Converted]) -> None:
        try:
            converted = self._work(content)
        except BaseException as error:  # noqa: BLE001  (raised where the result is awaited)
            result.set_exception(error)
        else:
            result.set_result(converted)
        finally:
            with self._lock:
                self._running.discard(user_id)
            self._start()

    def stop(self) -> None:
        """Give up all conversions of a process that stops: they raise `unavailable`."""
        with self._lock:
            self._is_stopped = True
            waiting = [result for conversions in self._waiting.values() for _, result in conversions]
            self._waiting.clear()
        for result in waiting:
            if result.set_running_or_notify_cancel():
                result.set_exception(restarting())
        self._threads.shutdown(wait=False)
        children_end()

    @contextmanager
    def _place(self, user_id: uuid.UUID) -> Iterator[None]:
        with self._lock:
            if self._users[user_id] >= MOST_PER_USER or self._users.total() >= MOST_WAITING:
                raise too_busy()
            self._users[user_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._users[user_id] -= 1
                if not self._users[user_id]:
                    del self._users[user_id]


def too_busy() -> RateLimited:
    return RateLimited("Too many files are being read.", RETRY_S)


conversions = ConversionQueue()
