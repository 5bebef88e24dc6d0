"""Publish events to Redis in the background: writers never wait, and no turn fails because of a lost event."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from sessions.events.entries import KEPT_AFTER_END_S, Entry, call_on
from sessions.metrics import EVENTS_DROPPED, EVENTS_WAITING

log = logging.getLogger(__name__)

UNREACHABLE = (RedisError, OSError)

ABANDONED_AFTER_S = 24 * 3600
"""Expiry of a log without a terminal event."""

MAX_QUEUED = 20_000
MAX_BATCH = 500
ENTRY_OVERHEAD = 64
"""Approximate bytes that Redis needs per entry beside its text."""

PROBE_EVERY_S = 0.5
CHECK_EVERY_S = 1.0
PROBE_KEY = "pantheon:events:probe"


def stream_key(turn_id: uuid.UUID) -> str:
    return f"pantheon:events:{turn_id}"


def stream_id(seq: int) -> str:
    """Return the id of an entry: Redis itself rejects an id that is not above the last."""
    return f"{seq}-0"


async def write_probe(client: Redis) -> None:
    """Write and publish a test entry the way events are. Raises RedisError or OSError."""
    pipe = client.pipeline(transaction=False)
    pipe.xadd(PROBE_KEY, {"data": ""}, maxlen=1, approximate=False)
    pipe.publish(PROBE_KEY, "")
    await pipe.execute()


@dataclass(slots=True)
class PublishedLog:
    """State of a log that this process writes."""

    sizes: deque[tuple[int, int]] = field(default_factory=deque)
    """(seq, bytes) of the entries in Redis."""
    bytes: int = 0
    exists: bool = False
    """Whether the log has existed in Redis."""

    def add(self, entry: Entry, max_bytes: int) -> int:
        """Count an entry; return the lowest seq to keep, 0 if nothing has to be trimmed."""
        if entry.is_opening and self.sizes and entry.seq != self.sizes[-1][0] + 1:
            self.sizes.clear()
            self.bytes = 0
        size = len(entry.data.encode()) + ENTRY_OVERHEAD
        self.sizes.append((entry.seq, size))
        self.bytes += size
        lowest = 0
        while self.bytes > max_bytes and len(self.sizes) > 1:
            self.bytes -= self.sizes.popleft()[1]
            lowest = self.sizes[0][0]
        return lowest


@dataclass(frozen=True, slots=True)
class QueuedEntry:
    turn_id: uuid.UUID
    entry: Entry
    keep_from: int
    """Older entries are trimmed; 0: all are kept."""


class Publisher:
    """A bounded queue in front of Redis, with a limit in bytes for each claim's events.

    Call `run` on its loop; everything else is safe from any thread.

    Events that cannot be written are dropped, and their turn is lost until its runner reopens the log with a
    snapshot. Otherwise a reader would take the event after a gap for the next one.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, client: Redis, lost: Collection[uuid.UUID] = ()
    ) -> None:
        self.progress_s = time.monotonic()
        """When it last made progress."""
        self._loop = loop
        self._client = client
        self._lock = threading.Lock()
        self._queue: deque[QueuedEntry] = deque()
        self._published = {turn_id: PublishedLog() for turn_id in lost}
        self._lost = set(lost)
        self._dropped = 0
        self._reachable = True
        self._sending = False
        self._checked_at_s = 0.0
        self._has_work = asyncio.Event()

    # --- From any thread ----------------------------------------------------------------------------------------------

    def append(self, turn_id: uuid.UUID, entry: Entry, max_bytes: int) -> None:
        with self._lock:
            if entry.is_opening:
                self._lost.discard(turn_id)
                self._published.setdefault(turn_id, PublishedLog())
            if not self._reachable or turn_id in self._lost or len(self._queue) >= MAX_QUEUED:
                self._drop(turn_id)
                return
            published = self._published.setdefault(turn_id, PublishedLog())
            self._queue.append(QueuedEntry(turn_id, entry, published.add(entry, max_bytes)))
            # Only the first entry wakes the loop, which then sends everything that has been queued meanwhile.
            first = len(self._queue) == 1
        if first:
            call_on(self._loop, self._has_work.set)

    def lost_turns(self) -> set[uuid.UUID]:
        """Return turns whose log must be reopened; none while Redis is unreachable."""
        with self._lock:
            return set(self._lost) if self._reachable else set()

    def release(self, turn_id: uuid.UUID) -> None:
        with self._lock:
            self._published.pop(turn_id, None)
            self._lost.discard(turn_id)

    def turns(self) -> set[uuid.UUID]:
        """Return the turns that this process publishes."""
        with self._lock:
            return set(self._published)

    def is_idle(self) -> bool:
        """Return whether the queue is empty and nothing is being sent."""
        with self._lock:
            return not self._queue and not self._sending

    def _drop(self, turn_id: uuid.UUID) -> None:
        self._dropped += 1
        if turn_id in self._published:
            self._lost.add(turn_id)

    # --- On the loop --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Publish forever."""
        while True:
            self.progress_s = time.monotonic()
            batch: list[QueuedEntry] = []
            try:
                await self._wait_for_work()
                while batch := self._next_batch():
                    self.progress_s = time.monotonic()
                    self._mark_lost(await self._send(batch))
                self._mark_lost(await self._list_vanished())
            except UNREACHABLE as error:
                self._note_unreachable(batch, error)
                await self._wait_until_reachable()
            except Exception as error:  # one bad batch must not stop publishing for all other turns
                log.exception("a batch of events could not be published")
                self._note_unreachable(batch, error)
                await self._wait_until_reachable()

    async def _wait_for_work(self) -> None:
        """Return when events are queued, or after `CHECK_EVERY_S` to check that the logs still exist."""
        timer = self._loop.call_later(CHECK_EVERY_S, self._has_work.set)
        await self._has_work.wait()
        timer.cancel()
        self._has_work.clear()

    async def _list_vanished(self) -> set[uuid.UUID]:
        """Return the turns whose log is gone; otherwise this would be noticed only at their next event."""
        now = time.monotonic()
        if now < self._checked_at_s + CHECK_EVERY_S:
            return set()
        self._checked_at_s = now
        with self._lock:
            turn_ids = [key for key, log in self._published.items() if log.exists and key not in self._lost]
        pipe = self._client.pipeline(transaction=False)
        for turn_id in turn_ids:
            pipe.exists(stream_key(turn_id))
        replies = await pipe.execute() if turn_ids else []
        return {turn_id for turn_id, exists in zip(turn_ids, replies, strict=True) if not exists}

    def _next_batch(self) -> list[QueuedEntry]:
        with self._lock:
            batch = [self._queue.popleft() for _ in range(min(MAX_BATCH, len(self._queue)))]
            self._sending = bool(batch)
            EVENTS_WAITING.set(len(self._queue) + len(batch))
            return batch

    async def _send(self, batch: Sequence[QueuedEntry]) -> set[uuid.UUID]:
        """Write a batch in one round trip; return the turns whose log no longer exists."""
        pipe = self._client.pipeline(transaction=False)
        queued_entries: list[QueuedEntry | None] = []
        for item in batch:
            key = stream_key(item.turn_id)
            pipe.execute_command(*xadd(key, item))
            # Publish even if the log rejects the entry: followers ignore a seq that they have, and read the
            # log at a gap.
            pipe.execute_command("PUBLISH", key, f"{item.entry.seq} {item.entry.type} {item.entry.data}")
            queued_entries += (item, None)
            if item.entry.is_opening or item.entry.is_terminal:
                pipe.expire(key, KEPT_AFTER_END_S if item.entry.is_terminal else ABANDONED_AFTER_S)
                queued_entries.append(None)
        vanished = set()
        # Errors are read one by one: an entry that Redis rejects as stale says nothing about the others.
        for queued, reply in zip(queued_entries, await pipe.execute(raise_on_error=False), strict=True):
            if isinstance(reply, Exception):
                if queued is None or not is_stale(reply):
                    raise reply
            elif queued is None:
                continue
            elif reply is None:
                vanished.add(queued.turn_id)
            elif (published := self._published.get(queued.turn_id)) is not None:
                published.exists = True
        return vanished

    def _mark_lost(self, turn_ids: set[uuid.UUID]) -> None:
        """Mark logs as lost, so that they are reopened, and drop queued events behind the gap."""
        if not turn_ids:
            return
        with self._lock:
            self._lost |= turn_ids & self._published.keys()
            for turn_id in self._lost:
                self._published[turn_id].exists = False
            self._queue = deque(item for item in self._queue if item.turn_id not in turn_ids)
        log.warning("event logs vanished and are reopened: %d", len(turn_ids))

    def _note_unreachable(self, batch: Sequence[QueuedEntry], error: Exception) -> None:
        """Drop everything. It is unknown whether the batch arrived, so every running turn needs a snapshot."""
        with self._lock:
            self._reachable = False
            self._dropped += len(batch) + len(self._queue)
            self._queue.clear()
            self._lost |= self._published.keys()
        log.error(
            "events cannot be published, turns continue without them: %s: %s", type(error).__name__, error
        )

    async def _wait_until_reachable(self) -> None:
        """Return when Redis accepts writes again. The batch being sent no longer counts as pending."""
        self._sending = False
        while True:
            self.progress_s = time.monotonic()
            try:
                await write_probe(self._client)
                break
            except UNREACHABLE:
                await asyncio.sleep(PROBE_EVERY_S)
        with self._lock:
            self._reachable, dropped, self._dropped = True, self._dropped, 0
        EVENTS_DROPPED.inc(dropped)
        log.warning("events are published again; %d were dropped", dropped)


def xadd(key: str, item: QueuedEntry) -> list[Any]:
    """Return the command that adds an entry and trims the oldest ones. Only an opening event creates a stream.

    Without NOMKSTREAM, a delta after the loss of a log would create a stream without a beginning.
    """
    entry = item.entry
    command: list[Any] = ["XADD", key]
    if not entry.is_opening:
        command.append("NOMKSTREAM")
    if item.keep_from:
        command += ["MINID", "=", stream_id(item.keep_from)]
    return [*command, stream_id(entry.seq), "type", entry.type, "data", entry.data]


def is_stale(reply: Any) -> bool:
    """Return whether Redis rejected an entry of an older claim, or a duplicate: a newer runner writes this log."""
    return isinstance(reply, ResponseError) and "equal or smaller" in str(reply)
