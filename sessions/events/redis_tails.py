"""The newest events of the turns read in this process: one copy and one subscription for all their readers.

Readers run on the web server's loop, messages arrive on the event log's loop: one lock guards all state.

A message is appended if it follows the last entry. All other cases (a gap, a page of an older log, a lost
connection) are resolved by reading the log from `Tail.position`. Pub/Sub delivers at most once, so only the
log is authoritative; messages are just faster.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sessions.events.entries import Entry, Waiter, contiguous_or_none, entries_after, wake
from sessions.events.redis_publisher import stream_key

UNUSED_AFTER_S = 10.0
MAX_TAIL_BYTES = 512 * 1024
ANY_RESULT = -1
"""The seq of a waiter that is woken by any result for its turn, including an empty one."""


@dataclass(slots=True)
class Tail:
    """The part of one turn's log that this process holds."""

    start: int
    """`entries` holds everything after it, up to `position`."""
    position: int
    used_at_s: float
    complete: bool = False
    """Whether the last read reached the end of the log and every later message followed without a gap."""
    read_since_s: float | None = None
    """When the current read of the log began."""
    entries: deque[Entry] = field(default_factory=deque)
    bytes: int = 0
    pending: list[Entry] = field(default_factory=list)
    """Messages received during that read; they may follow its result."""
    waiters: dict[Waiter, int] = field(default_factory=dict)
    """Sleeping readers, each with the seq after which it waits for entries."""

    def covers(self, seq: int) -> bool:
        """Return whether the entries after `seq` are known without reading the log."""
        return self.start <= seq and (seq < self.position or self.complete)

    def follows(self, entry: Entry) -> bool:
        return entry.seq == self.position + 1 or (entry.is_opening and entry.seq > self.position)

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.bytes += len(entry.data)
        self.position = entry.seq
        while self.bytes > MAX_TAIL_BYTES and len(self.entries) > 1:
            dropped = self.entries.popleft()
            self.bytes -= len(dropped.data)
            self.start = dropped.seq

    def begin_at(self, seq: int) -> None:
        """Start at an earlier seq. Only valid without entries."""
        self.start = self.position = seq
        self.complete = False
        self.read_since_s = None

    def pop_due_waiters(self) -> list[Waiter]:
        """Remove and return the waiters with entries to read."""
        due = [waiter for waiter, seq in self.waiters.items() if seq < self.position]
        for waiter in due:
            del self.waiters[waiter]
        return due


class Tails:
    """Tails by channel, which has the name of the turn's stream.

    `after`, `wait`, `last_seq` and `forget` are for readers, on any loop; the rest is for the follower, on
    its own loop.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        """Called when there are channels to subscribe to or logs to read."""
        self._lock = threading.Lock()
        self._tails: dict[str, Tail] = {}
        self._new: set[str] = set()
        """Channels to subscribe to."""
        self._subscribed: set[str] = set()
        self._confirmed: set[str] = set()
        """Channels with a confirmed subscription.

        Only a read after the confirmation leaves no gap: an event written between a read and the subscription
        would be missed.
        """
        self._to_read: set[str] = set()
        self._reachable = True

    # --- For readers --------------------------------------------------------------------------------------------------

    async def after(self, turn_id: uuid.UUID, seq: int, timeout_s: float) -> tuple[bool, list[Entry] | None]:
        """Return whether the tail reaches back to `seq`, and the entries after it.

        The first reader of a turn waits until its log has been read. If Redis is unreachable there are no
        entries.
        """
        channel = stream_key(turn_id)
        with self._lock:
            tail = self._get_or_create(channel, seq)
            if seq < tail.start or tail.covers(seq) or not self._reachable:
                return self._known_entries(tail, seq)
            self._schedule_read(channel, tail)
            waiter = Waiter.on_running_loop()
            tail.waiters[waiter] = ANY_RESULT
        self._changed()
        await self._sleep(tail, waiter, timeout_s)
        with self._lock:
            return self._known_entries(tail, seq)

    async def wait(self, turn_id: uuid.UUID, seq: int, timeout_s: float) -> bool:
        channel = stream_key(turn_id)
        with self._lock:
            tail = self._get_or_create(channel, seq)
            if tail.start <= seq < tail.position:
                return True
            if not tail.complete:
                self._schedule_read(channel, tail)
            changed = bool(self._new or self._to_read)
            waiter = Waiter.on_running_loop()
            tail.waiters[waiter] = seq
        if changed:
            self._changed()
        return await self._sleep(tail, waiter, timeout_s)

    def last_seq(self, turn_id: uuid.UUID) -> int:
        """Return the newest received seq, 0 if none was received."""
        with self._lock:
            tail = self._tails.get(stream_key(turn_id))
            return tail.position if tail is not None and tail.entries else 0

    def forget(self, turn_id: uuid.UUID) -> None:
        with self._lock:
            tail = self._tails.pop(stream_key(turn_id), None)
        if tail is not None:
            wake(tail.waiters)

    def _get_or_create(self, channel: str, seq: int) -> Tail:
        tail = self._tails.get(channel)
        if tail is None:
            tail = self._tails[channel] = Tail(seq, seq, time.monotonic())
            if channel not in self._subscribed:
                self._new.add(channel)
        elif seq < tail.start and not tail.entries:  # the tail began at a seq that a client invented
            tail.begin_at(seq)
        tail.used_at_s = time.monotonic()
        return tail

    def _known_entries(self, tail: Tail, seq: int) -> tuple[bool, list[Entry] | None]:
        if tail.covers(seq):
            return True, contiguous_or_none(entries_after(reversed(tail.entries), seq), seq)
        return seq >= tail.start, []

    async def _sleep(self, tail: Tail, waiter: Waiter, timeout_s: float) -> bool:
        try:
            return await waiter.sleep(timeout_s)
        finally:
            with self._lock:
                tail.waiters.pop(waiter, None)
                tail.used_at_s = time.monotonic()

    def _schedule_read(self, channel: str, tail: Tail) -> None:
        """Schedule a read of the log, unless one is running or will follow the confirmation of the subscription."""
        if tail.read_since_s is None and channel in self._confirmed:
            self._to_read.add(channel)

    # --- For the follower ---------------------------------------------------------------------------------------------

    def to_subscribe(self) -> list[str]:
        """Return the channels to subscribe to and count them as subscribed."""
        with self._lock:
            channels = [channel for channel in self._new if channel in self._tails]
            self._new.clear()
            self._subscribed.update(channels)
            return channels

    def to_unsubscribe(self) -> list[str]:
        """Drop tails that were unused for a while; return the channels to unsubscribe from."""
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
        """Note that a subscription is active, and schedule a read of the entries before it."""
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
                return tail.pop_due_waiters()
            if tail.read_since_s is not None:
                tail.pending.append(entry)
                return []
            tail.complete = False
            if not tail.waiters:
                return []  # the next reader schedules a read
            self._schedule_read(channel, tail)
        self._changed()
        return []

    def to_read(self, at_most: int) -> list[tuple[str, int]]:
        """Return logs to read, each with the seq to read after, and count the reads as running."""
        now = time.monotonic()
        reads: list[tuple[str, int]] = []
        with self._lock:
            while self._to_read and len(reads) < at_most:
                channel = self._to_read.pop()
                if (tail := self._tails.get(channel)) is not None:
                    tail.read_since_s, tail.pending = now, []
                    reads.append((channel, tail.position))
        return reads

    def read(self, channel: str, seq: int, entries: Iterable[Entry], *, more: bool) -> list[Waiter]:
        """Process the log's entries after `seq`; return the waiters to wake. `more`: the log has further entries."""
        with self._lock:
            tail = self._tails.get(channel)
            if tail is None or seq > tail.position:  # the tail was moved back meanwhile
                return []
            pending, tail.pending = tail.pending, []
            tail.read_since_s = None
            tail.complete = not more
            for entry in entries:
                if entry.seq > tail.position:
                    tail.add(entry)
            for entry in pending:
                if not more and tail.follows(entry):
                    tail.add(entry)
            return tail.pop_due_waiters()

    def note_unreadable(self, channels: Iterable[str]) -> list[Waiter]:
        """Note that logs could not be read; return the waiters to wake."""
        waiters: list[Waiter] = []
        with self._lock:
            for channel in channels:
                if (tail := self._tails.get(channel)) is not None:
                    tail.read_since_s = None
                    waiters += self._read_waiters(tail)
        return waiters

    def note_disconnected(self) -> list[Waiter]:
        """Note that the connection is lost, with all subscriptions. Return the waiters to wake."""
        waiters: list[Waiter] = []
        with self._lock:
            self._reachable = False
            for group in (self._subscribed, self._confirmed, self._to_read):
                group.clear()
            self._new = set(self._tails)
            for tail in self._tails.values():
                tail.complete, tail.read_since_s, tail.pending = False, None, []
                waiters += self._read_waiters(tail)
        return waiters

    def oldest_read_s(self) -> float:
        """Return when the oldest running read began, the current time if there is none."""
        now = time.monotonic()
        with self._lock:
            return min((tail.read_since_s or now for tail in self._tails.values()), default=now)

    def waiters(self) -> list[Waiter]:
        with self._lock:
            return [waiter for tail in self._tails.values() for waiter in tail.waiters]

    @staticmethod
    def _read_waiters(tail: Tail) -> list[Waiter]:
        """Return the waiters for a read; waiters for a new event keep waiting."""
        return [waiter for waiter, seq in tail.waiters.items() if seq == ANY_RESULT]
