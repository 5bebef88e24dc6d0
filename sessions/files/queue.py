"""Let a process convert a few files at once; others wait, but not for long and not too many."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import BinaryIO

from sessions.files.conversion import TIME_S, convert
from sessions.files.converter.results import Converted
from web.errors import RateLimited

AT_ONCE = 2
"""Conversions of one process. Each may take 512 MiB and a processor."""

MOST_WAITING = 40
MOST_PER_USER = 12
"""Of one user's files, running and waiting: the files of a message, and two more."""

WAIT_S = 60.0
RETRY_S = 10


class ConversionQueue:
    """Conversions of this process. Threads start with the first one, so after a fork."""

    def __init__(self, work: Callable[[BinaryIO], Converted] = convert) -> None:
        self._work = work
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="convert-file")
        self._lock = threading.Lock()
        self._users: Counter[uuid.UUID] = Counter()

    def run(self, content: BinaryIO, user_id: uuid.UUID) -> Converted:
        """Convert a file, on one of the queue's threads. Raises like `convert`, and `rate_limited`."""
        with self._place(user_id):
            future = self._threads.submit(self._work, content)
            try:
                return future.result(WAIT_S + TIME_S)
            except TimeoutError as error:
                future.cancel()
                raise too_busy() from error

    async def run_aside(self, content: BinaryIO, user_id: uuid.UUID) -> Converted:
        """Do the same, while neither a thread of the requests nor the event loop waits."""
        with self._place(user_id):
            future = asyncio.wrap_future(self._threads.submit(self._work, content))
            try:
                return await asyncio.wait_for(future, WAIT_S + TIME_S)
            except TimeoutError as error:
                raise too_busy() from error

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
