"""Entries of an event log, and the check for gaps."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

TERMINAL = frozenset({"turn.completed", "turn.partial", "turn.failed", "turn.cancelled"})

OPENING = frozenset({"turn.started", "turn.snapshot"})
"""Events that depend on no earlier event: a reader may start or resume at them from any position."""

KEPT_AFTER_END_S = 3600
MAX_BYTES_PER_TURN = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    seq: int
    data: str
    """The event as JSON."""
    type: str

    @property
    def is_terminal(self) -> bool:
        return self.type in TERMINAL

    @property
    def is_opening(self) -> bool:
        return self.type in OPENING


def entry_of(seq: int, event: dict[str, Any]) -> Entry:
    """Return an event as stored and sent.

    A model may send half of a surrogate pair in one delta and the rest in the next. UTF-8 cannot encode half
    a pair, so such an event is written with escapes, and a reader that joins the texts gets the whole
    character.
    """
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    try:
        data.encode()
    except UnicodeEncodeError:
        data = json.dumps(event, separators=(",", ":"))
    return Entry(seq, data, event["type"])


def entries_after(entries: Iterable[Entry], seq: int) -> list[Entry]:
    """Return the entries after `seq`, oldest first. `entries` are newest first."""
    later = []
    for entry in entries:
        if entry.seq <= seq:
            break
        later.append(entry)
    return later[::-1]


def contiguous_or_none(entries: list[Entry], seq: int) -> list[Entry] | None:
    """Return the entries, which follow `seq`, or None if one is missing.

    Within a claim seqs have no gaps; a jump is valid only to an event that replaces every lane.
    """
    for entry in entries:
        if entry.seq != seq + 1 and not entry.is_opening:
            return None
        seq = entry.seq
    return entries


@dataclass(slots=True, eq=False)
class Waiter:
    """A reader sleeping on its own loop until woken or timed out. It does not depend on cancellation."""

    loop: asyncio.AbstractEventLoop
    woken: asyncio.Future[bool]

    @classmethod
    def on_running_loop(cls) -> Waiter:
        loop = asyncio.get_running_loop()
        return cls(loop, loop.create_future())

    async def sleep(self, timeout_s: float) -> bool:
        """Return True if woken, False on timeout."""
        timer = self.loop.call_later(timeout_s, self.settle, False)
        try:
            return await self.woken
        finally:
            timer.cancel()

    def settle(self, woken: bool) -> None:
        if not self.woken.done():
            self.woken.set_result(woken)


def wake(waiters: Iterable[Waiter]) -> None:
    """Wake readers, from any thread, with one call per loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Waiter]] = {}
    for waiter in waiters:
        by_loop.setdefault(waiter.loop, []).append(waiter)
    for loop, group in by_loop.items():
        call_on(loop, _settle, group)


def _settle(waiters: Iterable[Waiter]) -> None:
    for waiter in waiters:
        waiter.settle(True)


def call_on(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *args: Any) -> None:
    """Call a function on a loop, from any thread. A closed loop has no readers left and is ignored."""
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:
        if not loop.is_closed():
            raise
