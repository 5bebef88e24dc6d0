"""The event log in Redis: one stream per turn with seqs as entry ids, so Redis keeps the order and resumes by id.

It runs on one daemon thread with its own loop, started at first use (so after any fork): one connection
publishes, one follows, and a few read older entries. If Redis is unreachable, the log behaves as if it were
empty.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
import uuid
from collections.abc import Collection, Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from sessions.events.entries import MAX_BYTES_PER_TURN, Entry, call_on, contiguous_or_none, entry_of, wake
from sessions.events.loops import new_loop
from sessions.events.redis_follower import Follower, entries_of
from sessions.events.redis_publisher import UNREACHABLE, Publisher, stream_id, stream_key, write_probe

log = logging.getLogger(__name__)

R = TypeVar("R")

TIMEOUT_S = 2.0
"""For connecting and for each reply."""

READ_CONNECTIONS = 4
READ_AT_ONCE = 20
READ_CHARS = 128 * 1024
UNREACHABLE_FOR_S = 1.0
"""After a failed read, readers fall back immediately for this long."""

STALLED_AFTER_S = 5.0
GRACE_S = 1.0
STALLED = "no progress for 5 s, restarting"

DELETE_BATCH = 1000
"""Logs deleted by one command; Redis serves no other client meanwhile."""

CLOSE_S = 1.0
DRAIN_POLL_S = 0.002


class RedisEventLog:
    """See `sessions.events.eventlog.EventLog`."""

    def __init__(self, url: str, max_bytes_per_turn: int = MAX_BYTES_PER_TURN) -> None:
        self.max_bytes_per_turn = max_bytes_per_turn
        self._url = url
        self._lock = threading.Lock()
        self._pid = 0
        self._thread: LogThread | None = None
        self._unreachable_until_s = 0.0

    def append(self, turn_id: uuid.UUID, seq: int, event: dict[str, Any]) -> None:
        self._get_or_start().publisher.append(turn_id, entry_of(seq, event), self.max_bytes_per_turn)

    def lost_turns(self) -> set[uuid.UUID]:
        return self._get_or_start().publisher.lost_turns()

    def release(self, turn_id: uuid.UUID) -> None:
        self._get_or_start().publisher.release(turn_id)

    async def after(self, turn_id: uuid.UUID, seq: int) -> list[Entry] | None:
        is_known, entries = await self._get_or_start().tails.after(turn_id, seq, TIMEOUT_S)
        if is_known:
            return entries
        thread = self._get_or_start()
        return await self._ask(thread, thread.after(turn_id, seq), [])

    async def last_seq(self, turn_id: uuid.UUID) -> int:
        thread = self._get_or_start()
        return max(thread.tails.last_seq(turn_id), await self._ask(thread, thread.last_seq(turn_id), 0))

    async def wait(self, turn_id: uuid.UUID, seq: int, timeout_s: float) -> bool:
        return await self._get_or_start().tails.wait(turn_id, seq, timeout_s)

    def forget(self, turn_ids: Collection[uuid.UUID]) -> None:
        thread = self._get_or_start()
        for turn_id in turn_ids:
            thread.tails.forget(turn_id)
        deletion = asyncio.run_coroutine_threadsafe(thread.forget(turn_ids), thread.loop)
        try:
            deletion.result(2 * TIMEOUT_S)
        except (*UNREACHABLE, CancelledError) as error:
            deletion.cancel()
            log.warning("events of %d turns stay until they expire: %s", len(turn_ids), type(error).__name__)

    def local_turns(self) -> list[uuid.UUID]:
        """Return none: any process can delete from Redis, and tails without readers are dropped within seconds."""
        return []

    def expire(self) -> None:
        """Do nothing: Redis expires streams."""

    def check(self) -> str:
        thread = self._get_or_start()
        probe = asyncio.run_coroutine_threadsafe(write_probe(thread.commands), thread.loop)
        try:
            probe.result(2 * TIMEOUT_S)
        except TimeoutError:  # of this wait: a slow reply of Redis raises RedisError
            return STALLED
        return STALLED if thread.is_stale() else "ok"

    def drain(self, timeout_s: float) -> None:
        thread = self._thread
        if thread is None or self._pid != os.getpid():
            return
        ends_s = time.monotonic() + timeout_s
        while not thread.publisher.is_idle() and time.monotonic() < ends_s:
            time.sleep(DRAIN_POLL_S)

    def close(self) -> None:
        """Stop the thread and close its connections; the next call starts new ones."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None and self._pid == os.getpid():
            thread.close()

    async def _ask(self, thread: LogThread, coroutine: Coroutine[Any, Any, R], otherwise: R) -> R:
        """Return Redis's reply, or `otherwise`, with which readers fall back to the turn's row."""
        if time.monotonic() < self._unreachable_until_s:
            coroutine.close()
            return otherwise
        try:
            future = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, thread.loop))
        except RuntimeError:  # `thread` was replaced and its loop has closed
            coroutine.close()
            return otherwise
        await asyncio.wait((future,), timeout=2 * TIMEOUT_S)
        if not future.done() or future.cancelled():
            future.cancel()
            return otherwise
        try:
            return future.result()
        except UNREACHABLE:  # logged by the follower and the publisher
            self._unreachable_until_s = time.monotonic() + UNREACHABLE_FOR_S
            return otherwise

    def _get_or_start(self) -> LogThread:
        thread = self._thread
        if thread is not None and self._pid == os.getpid() and not thread.is_stalled():
            return thread
        with self._lock:
            thread = self._thread
            if thread is None or self._pid != os.getpid():
                thread = LogThread(self._url)
            elif thread.is_stalled():
                log.error("the event log's thread stalled and is replaced")
                thread = thread.replace()
            self._pid, self._thread = os.getpid(), thread
            return thread


class LogThread:
    """A thread with its loop and connections."""

    def __init__(self, url: str, lost: Collection[uuid.UUID] = ()) -> None:
        self._url = url
        self._stale_since_s: float | None = None
        self.loop = new_loop()
        self.commands = Redis.from_pool(
            BlockingConnectionPool.from_url(
                url, max_connections=READ_CONNECTIONS, timeout=TIMEOUT_S, **OPTIONS
            )
        )
        self.publish_client = Redis.from_url(url, single_connection_client=True, **OPTIONS)
        self.publisher = Publisher(self.loop, self.publish_client, lost)
        self.follower = Follower(self.loop, self.commands)
        self.tails = self.follower.tails
        self._thread = threading.Thread(target=self._serve, name="pantheon-events", daemon=True)
        self._thread.start()

    def is_stale(self) -> bool:
        """Return whether the publisher or the follower makes no progress."""
        progress_s = min(self.publisher.progress_s, self.follower.progress_s)
        return time.monotonic() - progress_s >= STALLED_AFTER_S

    def is_stalled(self) -> bool:
        """Return whether it stays stale while this process runs.

        After a pause of the whole process it has `GRACE_S` to continue.
        """
        if not self.is_stale():
            self._stale_since_s = None
            return False
        if self._stale_since_s is None:
            self._stale_since_s = time.monotonic()
        return time.monotonic() - self._stale_since_s >= GRACE_S

    def replace(self) -> LogThread:
        """Start a replacement and abandon this instance; its readers and writers continue with the replacement."""
        thread = LogThread(self._url, lost=self.publisher.turns())
        call_on(self.loop, self.loop.stop)
        wake(self.tails.waiters())
        return thread

    async def after(self, turn_id: uuid.UUID, seq: int) -> list[Entry] | None:
        """Return entries of READ_CHARS in all, or a larger one: a reader holds them until its client has read them."""
        entries: list[Entry] = []
        chars, last = 0, seq
        while True:
            rows: Any = await self.commands.xrange(
                stream_key(turn_id), min=stream_id(last + 1), count=READ_AT_ONCE
            )
            for entry in entries_of(rows):
                entries.append(entry)
                chars, last = chars + len(entry.data), entry.seq
                if chars >= READ_CHARS:
                    return contiguous_or_none(entries, seq)
            if len(rows) < READ_AT_ONCE:
                return contiguous_or_none(entries, seq)

    async def last_seq(self, turn_id: uuid.UUID) -> int:
        newest = entries_of(await self.commands.xrevrange(stream_key(turn_id), count=1))
        return newest[0].seq if newest else 0

    async def forget(self, turn_ids: Collection[uuid.UUID]) -> None:
        keys = [stream_key(turn_id) for turn_id in turn_ids]
        for start in range(0, len(keys), DELETE_BATCH):
            await self.commands.unlink(*keys[start : start + DELETE_BATCH])

    def close(self) -> None:
        call_on(self.loop, self.loop.stop)
        self._thread.join(TIMEOUT_S)

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        tasks = [self.loop.create_task(self.publisher.run()), self.loop.create_task(self.follower.run())]
        try:
            self.loop.run_forever()
        finally:
            del tasks
            self.loop.run_until_complete(self._end())
            self.loop.close()

    async def _end(self) -> None:
        """Wait briefly for tasks and connections to end; abandon a task that ignores its cancellation."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        ends = [asyncio.ensure_future(client.aclose()) for client in (self.publish_client, self.commands)]
        done, _ = await asyncio.wait([*tasks, *ends], timeout=CLOSE_S)
        for task in done:
            if not task.cancelled() and (error := task.exception()) is not None:
                log.debug("a connection of the event log ended: %s", error)


OPTIONS: dict[str, Any] = {
    "decode_responses": True,
    "protocol": 2,
    "retry": Retry(NoBackoff(), 0),
    "socket_timeout": TIMEOUT_S,
    "socket_connect_timeout": TIMEOUT_S,
}
"""Connection options. Nothing is retried: the publisher must notice every missing reply."""
