"""How code on the event loop touches the database."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, connections

log = logging.getLogger(__name__)

UNREACHABLE = (OperationalError, InterfaceError)
"""What the database raises that is gone, restarts, or gives way to somebody else: the same may work soon."""

TRY_EVERY_S = 0.25

P = ParamSpec("P")
R = TypeVar("R")


def executor_size() -> int:
    """Return how many connections runners may use: one on SQLite, which has one writer, else half of the pool."""
    if connection.vendor == "sqlite":
        return 1
    return max(1, int(connection.settings_dict["OPTIONS"]["pool"]["max_size"]) // 2)


class Database:
    """The runners' own threads for ORM work, no more of them than the pool has connections to spare."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=executor_size(), thread_name_prefix="in-db")

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call `function` in a database thread and give its connection back."""

        def call() -> R:
            try:
                return function(*args, **kwargs)
            finally:
                connections.close_all()

        context = contextvars.copy_context()  # what log lines are told about
        return await asyncio.get_running_loop().run_in_executor(self._executor, context.run, call)

    async def persist(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """`run`, and again while the database is gone, for as long as a lease; then raise what it said last.

        What a model answered is paid for: it is not thrown away for a restart of the database. After a lease the turn
        is anybody's. `function` must bear to be called twice: a connection may break when its work is done and before
        that is told.
        """
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + settings.PANTHEON_LEASE_S
        while True:
            try:
                return await self.run(function, *args, **kwargs)
            except UNREACHABLE as error:
                if loop.time() >= ends_s:
                    raise
                log.warning(
                    "the database is gone, %s is tried again: %s", function.__name__, str(error).strip()
                )
                await asyncio.sleep(TRY_EVERY_S)

    def close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=False)


async def release_connections() -> None:
    """Give back the connections of this request's thread, before a view streams or waits."""
    await sync_to_async(connections.close_all)()


async def read_in_request(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call `function` in this request's thread and hold no connection afterwards."""

    def call() -> R:
        try:
            return function(*args, **kwargs)
        finally:
            connections.close_all()

    result: R = await sync_to_async(call)()
    return result
