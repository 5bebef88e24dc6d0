"""How code on the event loop touches the database."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import connection, connections

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
