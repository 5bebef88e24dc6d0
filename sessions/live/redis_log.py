"""The event log in Redis: one stream per turn, whose ids are the events' seqs, so order and resume are Redis's own.

All of it runs on one daemon thread with a loop of its own, started at first use (so after any fork): a connection that
publishes, one that follows, and a few that read what is older. A Redis that is gone makes a log that knows nothing.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from sessions.live.entries import MAX_BYTES_PER_TURN, Entry, entry_of, whole
from sessions.live.redis_publisher import UNREACHABLE, Publisher, stream_id, stream_key, write_probe
from sessions.live.redis_tails import BLOCK_MS, Tails, entries_of

R = TypeVar("R")

TIMEOUT_S = 2.0
"""For a connection and for an answer."""

READ_CONNECTIONS = 4
PAGE = 500
"""Entries that are read at once: what a slow reader makes this process keep."""

UNREACHABLE_FOR_S = 1.0
"""After a failed look readers do not wait for another one so long."""


class RedisEventLog:
    """See `sessions.live.eventlog.EventLog`."""

    def __init__(self, url: str, max_bytes_per_turn: int = MAX_BYTES_PER_TURN) -> None:
        self.max_bytes_per_turn = max_bytes_per_turn
        self._url = url
        self._lock = threading.Lock()
        self._pid = 0
        self._live: Live | None = None
        self._unreachable_until_s = 0.0

    def append(self, turn_id: uuid.UUID, seq: int, event: dict[str, Any]) -> None:
        self._started().publisher.append(turn_id, entry_of(seq, event), self.max_bytes_per_turn)

    def lost(self) -> set[uuid.UUID]:
        return self._started().publisher.lost()

    def release(self, turn_id: uuid.UUID) -> None:
        self._started().publisher.release(turn_id)

    async def after(self, turn_id: uuid.UUID, seq: int) -> list[Entry] | None:
        live = self._started()
        known, entries = live.tails.after(turn_id, seq)
        return entries if known else await self._ask(live, live.after(turn_id, seq), [])

    async def last_seq(self, turn_id: uuid.UUID) -> int:
        live = self._started()
        return max(live.tails.last_seq(turn_id), await self._ask(live, live.last_seq(turn_id), 0))

    async def wait(self, turn_id: uuid.UUID, seq: int, timeout_s: float) -> bool:
        return await self._started().tails.wait(turn_id, seq, timeout_s)

    async def forget(self, turn_id: uuid.UUID) -> None:
        live = self._started()
        live.tails.forget(turn_id)
        await self._ask(live, live.forget(turn_id), None)

    def expire(self) -> None:
        """Redis does it."""

    def check(self) -> str:
        live = self._started()
        asyncio.run_coroutine_threadsafe(write_probe(live.commands), live.loop).result(2 * TIMEOUT_S)
        return "ok"

    def drain(self, timeout_s: float) -> None:
        live = self._live
        if live is None or self._pid != os.getpid():
            return
        drained = asyncio.wait_for(live.publisher.drained(), timeout_s)
        try:
            asyncio.run_coroutine_threadsafe(drained, live.loop).result()
        except TimeoutError:
            return

    def close(self) -> None:
        """End the thread and its connections; the next call starts anew."""
        with self._lock:
            live, self._live = self._live, None
        if live is not None and self._pid == os.getpid():
            live.close()

    async def _ask(self, live: Live, coroutine: Coroutine[Any, Any, R], otherwise: R) -> R:
        """Return what Redis answers; where it does not, readers look at the turn's row."""
        if time.monotonic() < self._unreachable_until_s:
            coroutine.close()
            return otherwise
        try:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, live.loop))
        except UNREACHABLE:  # who follows and who publishes say so in the log
            self._unreachable_until_s = time.monotonic() + UNREACHABLE_FOR_S
            return otherwise

    def _started(self) -> Live:
        live = self._live
        if live is not None and self._pid == os.getpid():
            return live
        with self._lock:
            if self._live is None or self._pid != os.getpid():
                self._pid, self._live = os.getpid(), Live(self._url)
            return self._live


class Live:
    """The thread, its loop and its connections."""

    def __init__(self, url: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.commands = Redis.from_pool(
            BlockingConnectionPool.from_url(
                url, max_connections=READ_CONNECTIONS, timeout=TIMEOUT_S, **options(TIMEOUT_S)
            )
        )
        self.publishing = Redis.from_url(url, single_connection_client=True, **options(TIMEOUT_S))
        self.following = Redis.from_url(
            url, single_connection_client=True, **options(TIMEOUT_S + BLOCK_MS / 1000)
        )
        self.publisher = Publisher(self.publishing, self._call)
        self.tails = Tails(self.following, self.commands, self._call)
        self._thread = threading.Thread(target=self._serve, name="pantheon-events", daemon=True)
        self._thread.start()

    async def after(self, turn_id: uuid.UUID, seq: int) -> list[Entry] | None:
        rows = await self.commands.xrange(stream_key(turn_id), min=stream_id(seq + 1), count=PAGE)
        return whole(entries_of(rows), seq)

    async def last_seq(self, turn_id: uuid.UUID) -> int:
        newest = entries_of(await self.commands.xrevrange(stream_key(turn_id), count=1))
        return newest[0].seq if newest else 0

    async def forget(self, turn_id: uuid.UUID) -> None:
        await self.commands.delete(stream_key(turn_id))

    def close(self) -> None:
        async def end() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for client in (self.publishing, self.following, self.commands):
                await client.aclose()

        asyncio.run_coroutine_threadsafe(end(), self.loop).result()
        self._call(self.loop.stop)
        self._thread.join()

    def _call(self, function: Callable[[], object]) -> None:
        self.loop.call_soon_threadsafe(function)

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        tasks = [self.loop.create_task(self.publisher.run()), self.loop.create_task(self.tails.run())]
        try:
            self.loop.run_forever()
        finally:
            del tasks
            self.loop.close()


def options(timeout_s: float) -> dict[str, Any]:
    """Return how to connect. Nothing is tried twice: a publisher must know of each answer that it did not get."""
    return {
        "decode_responses": True,
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": timeout_s,
        "socket_connect_timeout": TIMEOUT_S,
    }
