"""Database access from event loops, on threads that keep their connections."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import select
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import Error

log = logging.getLogger(__name__)

UNREACHABLE = (OperationalError, InterfaceError)
"""Raised when the database is down, restarts, or aborts a transaction in favour of another: a retry may succeed."""

TRY_EVERY_S = 0.25

P = ParamSpec("P")
R = TypeVar("R")


class DatabaseThreads(ThreadPoolExecutor):
    """Threads for ORM work. Each keeps one connection for its lifetime, so their number bounds both.

    A submitted function must be a whole unit of work, since the next one may run on another thread. A
    connection that the database has closed is replaced before use, so a restart fails no later request.
    """

    def __init__(self, max_workers: int, name: str) -> None:
        super().__init__(max_workers=max_workers, thread_name_prefix=name)
        self._local = threading.local()
        self._connections: list[BaseDatabaseWrapper] = []
        self._busy: set[int] = set()
        """Connections (by identity) used by a running unit of work."""

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        return super().submit(self._unit, fn, *args, **kwargs)

    def _unit(self, fn: Callable[..., R], *args: Any, **kwargs: Any) -> R:
        wrapper = connections["default"]
        if not getattr(self._local, "wrapper", False):
            self._local.wrapper = True
            self._connections.append(wrapper)
        if has_unsolicited_data(wrapper) and not wrapper.is_usable():
            wrapper.close()
        self._busy.add(id(wrapper))
        try:
            return fn(*args, **kwargs)
        finally:
            wrapper.close_if_unusable_or_obsolete()
            self._busy.discard(id(wrapper))

    def close(self) -> None:
        """Accept no more work, drop pending work, and close the connections of idle threads. Never blocks."""
        self.shutdown(wait=False, cancel_futures=True)
        for wrapper in self._connections:
            if id(wrapper) not in self._busy:
                # The thread that opened it no longer uses it, and can no longer run the close itself.
                wrapper.inc_thread_sharing()
                wrapper.close()


def has_unsolicited_data(wrapper: BaseDatabaseWrapper) -> bool:
    """Return whether the server has sent unsolicited data, such as a shutdown notice. Needs no round trip."""
    if wrapper.connection is None or wrapper.vendor != "postgresql":
        return False
    try:
        poll = select.poll()
        poll.register(wrapper.connection.fileno(), select.POLLIN)
        return bool(poll.poll(0))
    except Error:
        return True


def executor_size() -> int:
    """Return the number of connections for runners: one on SQLite, which has one writer, else half of the pool."""
    if connection.vendor == "sqlite":
        return 1
    return max(1, settings.PANTHEON_DB_POOL_SIZE // 2)


class Database:
    """The runners' own threads for ORM work."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = DatabaseThreads(threads or executor_size(), "in-db")

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call `function` in a database thread."""
        context = contextvars.copy_context()  # the logging context

        def call() -> R:
            return context.run(function, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def persist(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call `run`, retrying while the database is unreachable for at most one lease; then raise the last error.

        A model's answer is paid for, so it must survive a restart of the database. After the lease any runner
        may claim the turn. `function` must be safe to call twice: a connection may break after the commit and
        before its confirmation.
        """
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + settings.PANTHEON_LEASE_S
        while True:
            try:
                return await self.run(function, *args, **kwargs)
            except UNREACHABLE as error:
                if loop.time() >= ends_s:
                    raise
                log.warning("database unreachable, retrying %s: %s", function.__name__, str(error).strip())
                await asyncio.sleep(TRY_EVERY_S)

    def close(self) -> None:
        self._threads.close()


async def read_in_request(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call `function` on a thread of the web process; neither thread nor connection is held afterwards."""
    result: R = await sync_to_async(function)(*args, **kwargs)
    return result
