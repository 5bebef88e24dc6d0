"""The newest events of the turns that are read in this process: one copy and one subscription for all their readers.

Readers are on the web server's loop, messages arrive on the event log's: one lock guards all of it.
A message is appended if it follows the last entry. Everything else (a gap, a page of an older log, a lost connection)
is settled by reading the log from `Tail.position`: the log is the truth, messages are only faster.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sessions.events.entries import Entry, Waiter, newer, wake, whole
from sessions.events.redis_publisher import stream_key

UNUSED_AFTER_S = 10.0
MAX_TAIL_BYTES = 512 * 1024
ANYTHING = -1
"""The seq of a waiter that any news of its turn wakes, also that there is none."""


@dataclass(slots=True)
class Tail:
    """The part of one turn's log that this process has."""

    start: int
    """`entries` holds everything after it, up to `position`."""
    position: int
    used_at_s: float
    complete: bool = False
    """Whether the last read of the log reached its end, and each message since then followed."""
    read_since_s: float | None = None
    """When the current read of the log began."""
    entries: deque[Entry] = field(default_factory=deque)
    bytes: int = 0
    held: list[Entry] = field(default_factory=list)
    """Messages that arrived during that read and may follow its result."""
    waiters: dict[Waiter, int] = field(default_factory=dict)
    """Sleeping readers, and the seq after which each wants something."""

    def covers(self, seq: int) -> bool:
        """Whether what comes after `seq` is known without reading the log."""
        return self.start <= seq and (seq < self.position or self.complete)

    def follows(self, entry: Entry) -> bool:
        return entry.seq == self.position + 1 or (entry.opening and entry.seq > self.position)

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.bytes += len(entry.data)
        self.position = entry.seq
        while self.bytes > MAX_TAIL_BYTES and len(self.entries) > 1:
            dropped = self.entries.popleft()
            self.bytes -= len(dropped.data)
            self.start = dropped.seq

    def begin_at(self, seq: int) -> None:
        """Start further back. Only valid without entries."""
        self.start = self.position = seq
        self.complete = False
        self.read_since_s = None

    def due(self) -> list[Waiter]:
        """Remove and return the waiters that have something to read."""
        due = [waiter for waiter, seq in self.waiters.items() if seq < self.position]
        for waiter in due:
            del self.waiters[waiter]
        return due


class Tails:
    """By channel, which is the name of the turn's stream.

    `after`, `wait`, `last_seq` and `forget` are for readers, on any loop; the rest is for the follower, on its own.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        """Called when there is something to subscribe to or to read."""
        self._lock = threading.Lock()
        self._tails: dict[str, Tail] = {}
        self._new: set[str] = set()
        """To be subscribed to."""
        self._subscribed: set[str] = set()
        self._confirmed: set[str] = set()
        """Whose messages arrive: only then does a read of the log leave no gap."""
        self._to_read: set[str] = set()
        self._reachable = True

    # --- For readers --------------------------------------------------------------------------------------------------

    async def after(self, turn_id: uuid.UUID, seq: int, timeout_s: float) -> tuple[bool, list[Entry] | None]:
        """Return whether the tail reaches back to `seq`, and the entries after it.

        The first reader of a turn waits until its log has been read. If Redis cannot be reached there are no entries.
        """
        channel = stream_key(turn_id)
        with self._lock:
            tail = self._opened(channel, seq)
            if seq < tail.start or tail.covers(seq) or not self._reachable:
                return self._known(tail, seq)
            self._want(channel, tail)
            waiter = Waiter.here()
            tail.waiters[waiter] = ANYTHING
        self._changed()
        await self._sleep(tail, waiter, timeout_s)
        with self._lock:
            return self._known(tail, seq)

    async def wait(self, turn_id: uuid.UUID, seq: int, timeout_s: float) -> bool:
        channel = stream_key(turn_id)
        with self._lock:
            tail = self._opened(channel, seq)
            if tail.start <= seq < tail.position:
                return True
            if not tail.complete:
                self._want(channel, tail)
            changed = bool(self._new or self._to_read)
            waiter = Waiter.here()
            tail.waiters[waiter] = seq
        if changed:
            self._changed()
        return await self._sleep(tail, waiter, timeout_s)

    def last_seq(self, turn_id: uuid.UUID) -> int:
        """Return the newest seq that arrived, 0 if none did."""
        with self._lock:
            tail = self._tails.get(stream_key(turn_id))
            return tail.position if tail is not None and tail.entries else 0

    def forget(self, turn_id: uuid.UUID) -> None:
        with self._lock:
            tail = self._tails.pop(stream_key(turn_id), None)
        if tail is not None:
            wake(tail.waiters)

    def _opened(self, channel: str, seq: int) -> Tail:
        tail = self._tails.get(channel)
        if tail is None:
            tail = self._tails[channel] = Tail(seq, seq, time.monotonic())
            if channel not in self._subscribed:
                self._new.add(channel)
        elif seq < tail.start and not tail.entries:  # it began at a seq that a client made up
            tail.begin_at(seq)
        tail.used_at_s = time.monotonic()
        return tail

    def _known(self, tail: Tail, seq: int) -> tuple[bool, list[Entry] | None]:
        if tail.covers(seq):
            return True, whole(newer(reversed(tail.entries), seq), seq)
        return seq >= tail.start, []

    async def _sleep(self, tail: Tail, waiter: Waiter, timeout_s: float) -> bool:
        try:
            return await waiter.sleep(timeout_s)
        finally:
            with self._lock:
                tail.waiters.pop(waiter, None)
                tail.used_at_s = time.monotonic()

    def _want(self, channel: str, tail: Tail) -> None:
        """Have the log read, unless a read is under way, or follows when the subscription is confirmed."""
        if tail.read_since_s is None and channel in self._confirmed:
            self._to_read.add(channel)

    # --- For the follower ---------------------------------------------------------------------------------------------

    def to_subscribe(self) -> list[str]:
        """Return the channels to subscribe to; they count as subscribed from now on."""
        with self._lock:
            channels = [channel for channel in self._new if channel in self._tails]
            self._new.clear()
            self._subscribed.update(channels)
            return channels

    def to_unsubscribe(self) -> list[str]:
        """Drop tails without readers for a while; return the channels that are no longer needed."""
        unused = time.monotonic() - UNUSED_AFTER_S
        with self._lock:
            for channel in [
                key for key, tail in self._tails.items() if not tail.waiters and tail.used_at_s < unused
            ]:
                del self._tails[channel]
            channels = [channel for channel in self._subscribed if channel not in self._tails]
            self._subscribed.difference_update(channels)
            self._confirmed.difference_update(channels)
            return channels

    def confirm(self, channel: str) -> None:
        """Note that messages arrive from now on: what came before them has to be read."""
        with self._lock:
            self._reachable = True
            if channel in self._subscribed and channel in self._tails:
                self._confirmed.add(channel)
                self._to_read.add(channel)
        self._changed()

    def receive(self, channel: str, entry: Entry) -> list[Waiter]:
        """Process a message; return the waiters to wake."""
        with self._lock:
            tail = self._tails.get(channel)
            if tail is None or entry.seq <= tail.position:
                return []
            if tail.follows(entry):
                tail.add(entry)
                return tail.due()
            if tail.read_since_s is not None:
                tail.held.append(entry)
                return []
            tail.complete = False
            if not tail.waiters:
                return []  # the next reader has the log read
            self._want(channel, tail)
        self._changed()
        return []

    def to_read(self, at_most: int) -> list[tuple[str, int]]:
        """Return logs to read, each with the seq to read after; the reads count as under way from now on."""
        now = time.monotonic()
        reads: list[tuple[str, int]] = []
        with self._lock:
            while self._to_read and len(reads) < at_most:
                channel = self._to_read.pop()
                if (tail := self._tails.get(channel)) is not None:
                    tail.read_since_s, tail.held = now, []
                    reads.append((channel, tail.position))
        return reads

    def read(self, channel: str, seq: int, entries: Iterable[Entry], *, more: bool) -> list[Waiter]:
        """Process the log's entries after `seq`; `more`: there are others behind them. Return the waiters to wake."""
        with self._lock:
            tail = self._tails.get(channel)
            if tail is None or seq > tail.position:  # it starts further back meanwhile
                return []
            held, tail.held = tail.held, []
            tail.read_since_s = None
            tail.complete = not more
            for entry in entries:
                if entry.seq > tail.position:
                    tail.add(entry)
            for entry in held:
                if not more and tail.follows(entry):
                    tail.add(entry)
            return tail.due()

    def unreadable(self, channels: Iterable[str]) -> list[Waiter]:
        """Note that logs could not be read; return the waiters to wake."""
        waiters: list[Waiter] = []
        with self._lock:
            for channel in channels:
                if (tail := self._tails.get(channel)) is not None:
                    tail.read_since_s = None
                    waiters += self._reading(tail)
        return waiters

    def disconnected(self) -> list[Waiter]:
        """Note that no messages arrive: everything has to be subscribed to again. Return the waiters to wake."""
        waiters: list[Waiter] = []
        with self._lock:
            self._reachable = False
            for group in (self._subscribed, self._confirmed, self._to_read):
                group.clear()
            self._new = set(self._tails)
            for tail in self._tails.values():
                tail.complete, tail.read_since_s, tail.held = False, None, []
                waiters += self._reading(tail)
        return waiters

    def oldest_read_s(self) -> float:
        """Return when the oldest read under way began, now if there is none."""
        now = time.monotonic()
        with self._lock:
            return min((tail.read_since_s or now for tail in self._tails.values()), default=now)

    def waiters(self) -> list[Waiter]:
        with self._lock:
            return [waiter for tail in self._tails.values() for waiter in tail.waiters]

    @staticmethod
    def _reading(tail: Tail) -> list[Waiter]:
        """Return the waiters that wait for a read; those that wait for a new event keep waiting."""
        return [waiter for waiter, seq in tail.waiters.items() if seq == ANYTHING]
