"""The event log of running turns in this process's memory.

Writers run on the runtime's loop, readers on the web server's: entries are appended under a lock, and readers
are woken with `call_soon_threadsafe`. A slow reader costs nothing, since it reads from the log at its own
pace.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from sessions.events.entries import (
    KEPT_AFTER_END_S,
    MAX_BYTES_PER_TURN,
    Entry,
    Waiter,
    contiguous_or_none,
    entries_after,
    entry_of,
    wake,
)


@dataclass(slots=True)
class TurnLog:
    """The events of one turn and its waiting readers."""

    entries: deque[Entry] = field(default_factory=deque)
    bytes: int = 0
    ended_at_s: float | None = None
    waiters: set[Waiter] = field(default_factory=set)


class MemoryEventLog:
    """Ordered logs by turn; bounded per turn, dropped an hour after the end."""

    def __init__(self, max_bytes_per_turn: int = MAX_BYTES_PER_TURN) -> None:
        self.max_bytes_per_turn = max_bytes_per_turn
        self._lock = threading.Lock()
        self._logs: dict[uuid.UUID, TurnLog] = {}

    def append(self, turn_id: uuid.UUID, seq: int, event: dict[str, Any]) -> None:
        entry = entry_of(seq, event)
        with self._lock:
            log = self._logs.setdefault(turn_id, TurnLog())
            if log.entries and seq <= log.entries[-1].seq:
                return
            log.entries.append(entry)
            log.bytes += len(entry.data)
            while log.bytes > self.max_bytes_per_turn and len(log.entries) > 1:
                log.bytes -= len(log.entries.popleft().data)
            if entry.is_terminal:
                log.ended_at_s = time.monotonic()
            waiters, log.waiters = log.waiters, set()
        wake(waiters)

    def lost_turns(self) -> set[uuid.UUID]:
        return set()

    def release(self, turn_id: uuid.UUID) -> None:
        """Keep the events: the next runner of this process continues the log."""

    async def after(self, turn_id: uuid.UUID, seq: int) -> list[Entry] | None:
        with self._lock:
            log = self._logs.get(turn_id)
            return [] if log is None else contiguous_or_none(entries_after(reversed(log.entries), seq), seq)

    async def last_seq(self, turn_id: uuid.UUID) -> int:
        with self._lock:
            log = self._logs.get(turn_id)
            return log.entries[-1].seq if log and log.entries else 0

    async def wait(self, turn_id: uuid.UUID, seq: int, timeout_s: float) -> bool:
        waiter = Waiter.on_running_loop()
        with self._lock:
            log = self._logs.setdefault(turn_id, TurnLog())
            if log.entries and log.entries[-1].seq > seq:
                return True
            log.waiters.add(waiter)
        try:
            return await waiter.sleep(timeout_s)
        finally:
            with self._lock:
                log.waiters.discard(waiter)
                if not log.waiters and not log.entries:
                    self._logs.pop(turn_id, None)

    def forget(self, turn_ids: Collection[uuid.UUID]) -> None:
        with self._lock:
            for turn_id in turn_ids:
                self._logs.pop(turn_id, None)

    def local_turns(self) -> list[uuid.UUID]:
        with self._lock:
            return list(self._logs)

    def expire(self) -> None:
        horizon = time.monotonic() - KEPT_AFTER_END_S
        with self._lock:
            old = [
                turn_id
                for turn_id, log in self._logs.items()
                if log.ended_at_s is not None and log.ended_at_s < horizon
            ]
            for turn_id in old:
                del self._logs[turn_id]

    def check(self) -> str:
        return "ok"

    def drain(self, timeout_s: float) -> None:
        """Do nothing: appended events are readable at once."""
