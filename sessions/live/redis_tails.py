"""Follow the logs that somebody in this process reads: one blocking XREAD for all of them, however many readers.

A connection for each reader would make Redis pay for every open page; here it pays for each process. What was read is
kept a little while, so that all readers of a turn share it, and nothing of a reader is stored in Redis.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from sessions.live.entries import Entry, Waiter, newer, whole
from sessions.live.redis_publisher import UNREACHABLE, stream_id, stream_key

log = logging.getLogger(__name__)

BLOCK_MS = 1_000
MAX_READ = 500
"""Entries of one log that one XREAD brings."""

PAUSE_S = 0.01
"""Between two reads, so that many busy logs cost at most a hundred commands per second."""

RETRY_S = 0.5
UNUSED_AFTER_S = 10.0
MAX_TAIL_BYTES = 512 * 1024
UNBLOCK_EVERY_S = 0.005


@dataclass(slots=True)
class Tail:
    """The newest events of one turn, as far as this process has read them."""

    start: int
    """`entries` holds all that comes after it."""
    position: int
    """Everything up to here was read."""
    used_at_s: float
    entries: deque[Entry] = field(default_factory=deque)
    bytes: int = 0
    waiters: set[Waiter] = field(default_factory=set)

    def add(self, entries: list[Entry]) -> None:
        for entry in entries:
            self.entries.append(entry)
            self.bytes += len(entry.data)
            self.position = entry.seq
        while self.bytes > MAX_TAIL_BYTES and len(self.entries) > 1:
            dropped = self.entries.popleft()
            self.bytes -= len(dropped.data)
            self.start = dropped.seq


class Tails:
    """`after` from any thread, `wait` on any loop; `run` on the log's own loop."""

    def __init__(
        self, blocking: Redis, commands: Redis, call: Callable[[Callable[[], object]], None]
    ) -> None:
        self._blocking = blocking
        """A client of one connection, which XREAD occupies."""
        self._commands = commands
        self._call = call
        """Calls a function on the log's loop."""
        self._lock = threading.Lock()
        self._tails: dict[uuid.UUID, Tail] = {}
        self._changed = asyncio.Event()
        self._connection_id: int | None = None
        self._reachable = True

    def after(self, turn_id: uuid.UUID, seq: int) -> tuple[bool, list[Entry] | None]:
        """Return whether the tail reaches back to `seq`, and what came after it."""
        with self._lock:
            tail = self._tails.get(turn_id)
            if tail is None or not tail.start <= seq <= tail.position:
                return False, []
            tail.used_at_s = time.monotonic()
            return True, whole(newer(reversed(tail.entries), seq), seq)

    async def wait(self, turn_id: uuid.UUID, seq: int, timeout_s: float) -> bool:
        waiter = Waiter.here()
        with self._lock:
            tail = self._tails.get(turn_id)
            if tail is not None and tail.start <= seq < tail.position:
                return True
            is_new = tail is None or (not tail.entries and seq < tail.position)
            if tail is None:
                tail = self._tails[turn_id] = Tail(seq, seq, time.monotonic())
            elif is_new:  # it follows from a point that somebody made up
                tail.start = tail.position = seq
            tail.waiters.add(waiter)
        if is_new:
            self._call(self._changed.set)
        try:
            return await waiter.sleep(timeout_s)
        finally:
            with self._lock:
                tail.waiters.discard(waiter)
                tail.used_at_s = time.monotonic()

    def last_seq(self, turn_id: uuid.UUID) -> int:
        """Return the newest seq that was heard, 0 where nothing was."""
        with self._lock:
            tail = self._tails.get(turn_id)
            return tail.entries[-1].seq if tail is not None and tail.entries else 0

    def forget(self, turn_id: uuid.UUID) -> None:
        with self._lock:
            self._tails.pop(turn_id, None)

    # --- On the log's loop --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            self._changed.clear()
            streams = self._streams()
            if not streams:
                await self._changed.wait()
                continue
            try:
                await self._read(streams)
            except UNREACHABLE as error:
                self._note(reachable=False, error=error)
                self._connection_id = None
                await asyncio.sleep(RETRY_S)
            except Exception:  # readers of other turns must go on hearing theirs
                log.exception("a read of events failed")
                await asyncio.sleep(RETRY_S)
            else:
                self._note(reachable=True)
                await asyncio.sleep(PAUSE_S)

    def _streams(self) -> dict[uuid.UUID, str]:
        """Return what to read, by turn, after letting go of what nobody has read for a while."""
        unused = time.monotonic() - UNUSED_AFTER_S
        with self._lock:
            for turn_id in [
                key for key, tail in self._tails.items() if not tail.waiters and tail.used_at_s < unused
            ]:
                del self._tails[turn_id]
            return {turn_id: stream_id(tail.position) for turn_id, tail in self._tails.items()}

    async def _read(self, streams: dict[uuid.UUID, str]) -> None:
        """Wait for something new in any of these, or until somebody wants to follow another."""
        if self._connection_id is None:
            self._connection_id = await self._blocking.client_id()
        turns = {stream_key(turn_id): turn_id for turn_id in streams}
        positions = {key: streams[turn_id] for key, turn_id in turns.items()}
        unblocker = asyncio.create_task(self._unblock_on_change())
        try:
            reply: Any = await self._blocking.xread(positions, count=MAX_READ, block=BLOCK_MS)  # type: ignore[arg-type]
        finally:
            unblocker.cancel()
            await asyncio.wait((unblocker,))
        for key, rows in dict(reply).items():
            self._deliver(turns[key], entries_of(rows))

    async def _unblock_on_change(self) -> None:
        """End the blocking read, which may not have begun yet, so that it is asked again with more."""
        await self._changed.wait()
        while True:
            try:
                await self._commands.client_unblock(self._connection_id)  # type: ignore[arg-type]
            except UNREACHABLE as error:
                log.debug("the blocking read goes on until its time is over: %s", error)
            await asyncio.sleep(UNBLOCK_EVERY_S)

    def _deliver(self, turn_id: uuid.UUID, entries: list[Entry]) -> None:
        with self._lock:
            tail = self._tails.get(turn_id)
            if tail is None:
                return
            tail.add([entry for entry in entries if entry.seq > tail.position])
            waiters = list(tail.waiters)
        for waiter in waiters:
            waiter.wake()

    def _note(self, *, reachable: bool, error: Exception | None = None) -> None:
        if reachable != self._reachable:
            self._reachable = reachable
            if reachable:
                log.warning("events are heard again")
            else:
                log.error(
                    "events cannot be heard, readers see the turns' rows: %s: %s", type(error).__name__, error
                )


def entries_of(rows: Any) -> list[Entry]:
    """Return the entries of a stream from Redis's answer: pairs of id and fields."""
    return [
        Entry(int(number.partition("-")[0]), fields["data"], fields["type"]) for number, fields in rows or ()
    ]
