"""The event log of running turns, in this process's memory.

Writers are on the runtime's loop, readers on the web server's: entries are appended under a lock, readers are woken
through `call_soon_threadsafe`. A slow reader costs nothing: it reads from the log at its own pace.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any

KEPT_AFTER_END_S = 3600.0
MAX_BYTES_PER_TURN = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    seq: int
    data: str
    """The event as JSON."""
    type: str

    @property
    def terminal(self) -> bool:
        return self.type in TERMINAL


TERMINAL = frozenset({"turn.completed", "turn.partial", "turn.failed", "turn.cancelled"})


@dataclass(slots=True)
class TurnLog:
    """The events of one turn and those who wait for more."""

    entries: deque[Entry] = field(default_factory=deque)
    bytes: int = 0
    trimmed_to: int = 0
    """The highest seq that was dropped."""
    ended_at_s: float | None = None
    waiters: set[Waiter] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class Waiter:
    loop: asyncio.AbstractEventLoop
    event: asyncio.Event

    def wake(self) -> None:
        try:
            self.loop.call_soon_threadsafe(self.event.set)
        except RuntimeError:
            # The reader's loop has closed: nobody is left to be woken.
            return


class MemoryEventLog:
    """Ordered logs by turn; bounded per turn, dropped an hour after the end."""

    def __init__(self, max_bytes_per_turn: int = MAX_BYTES_PER_TURN) -> None:
        self.max_bytes_per_turn = max_bytes_per_turn
        self._lock = threading.Lock()
        self._logs: dict[uuid.UUID, TurnLog] = {}

    def append(self, turn_id: uuid.UUID, seq: int, event: dict[str, Any]) -> None:
        """Add an event and wake the turn's readers. Never blocks for a reader."""
        entry = Entry(seq, json.dumps(event, ensure_ascii=False, separators=(",", ":")), event["type"])
        with self._lock:
            log = self._logs.setdefault(turn_id, TurnLog())
            log.entries.append(entry)
            log.bytes += len(entry.data)
            while log.bytes > self.max_bytes_per_turn and len(log.entries) > 1:
                dropped = log.entries.popleft()
                log.bytes -= len(dropped.data)
                log.trimmed_to = dropped.seq
            if entry.terminal:
                log.ended_at_s = time.monotonic()
            waiters = list(log.waiters)
        for waiter in waiters:
            waiter.wake()

    def after(self, turn_id: uuid.UUID, seq: int) -> list[Entry] | None:
        """Return the entries after `seq`, None where some of them are gone."""
        with self._lock:
            log = self._logs.get(turn_id)
            if log is None:
                return []
            if seq < log.trimmed_to:
                return None
            return [entry for entry in log.entries if entry.seq > seq]

    def last_seq(self, turn_id: uuid.UUID) -> int:
        """Return the newest seq, 0 where the log knows nothing of the turn."""
        with self._lock:
            log = self._logs.get(turn_id)
            return log.entries[-1].seq if log and log.entries else 0

    async def wait(self, turn_id: uuid.UUID, seq: int, timeout_s: float) -> None:
        """Return once there is something after `seq`, or when the time is over."""
        waiter = Waiter(asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            log = self._logs.setdefault(turn_id, TurnLog())
            if log.entries and log.entries[-1].seq > seq:
                return
            log.waiters.add(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await waiter.event.wait()
        except TimeoutError:
            return
        finally:
            with self._lock:
                log.waiters.discard(waiter)
                if not log.waiters and not log.entries:
                    self._logs.pop(turn_id, None)

    def forget(self, turn_id: uuid.UUID) -> None:
        """Drop a turn's events; its readers fall back to a snapshot."""
        with self._lock:
            self._logs.pop(turn_id, None)

    def expire(self) -> None:
        """Forget what ended an hour ago."""
        horizon = time.monotonic() - KEPT_AFTER_END_S
        with self._lock:
            old = [
                turn_id
                for turn_id, log in self._logs.items()
                if log.ended_at_s is not None and log.ended_at_s < horizon
            ]
            for turn_id in old:
                del self._logs[turn_id]


event_log = MemoryEventLog()
