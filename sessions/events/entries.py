"""What an event log holds, and when a part of it is whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

TERMINAL = frozenset({"turn.completed", "turn.partial", "turn.failed", "turn.cancelled"})

OPENING = frozenset({"turn.started", "turn.snapshot"})
"""Events that need nothing before them: readers may come from anywhere."""

KEPT_AFTER_END_S = 3600
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

    @property
    def opening(self) -> bool:
        return self.type in OPENING


def entry_of(seq: int, event: dict[str, Any]) -> Entry:
    """Return an event as it is kept and sent.

    A model may say half a character (a surrogate) in one delta and the rest in the next: no encoding has that, so such
    an event is written with escapes, and a reader that joins the texts gets the whole.
    """
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    try:
        data.encode()
    except UnicodeEncodeError:
        data = json.dumps(event, separators=(",", ":"))
    return Entry(seq, data, event["type"])


def newer(entries: Iterable[Entry], seq: int) -> list[Entry]:
    """Return the entries after `seq`, given newest first."""
    found = []
    for entry in entries:
        if entry.seq <= seq:
            break
        found.append(entry)
    return found[::-1]


def whole(entries: list[Entry], seq: int) -> list[Entry] | None:
    """Return the entries that come after `seq`, None where one between them is gone.

    Within a claim seqs have no gaps; a leap is whole only where it ends at an event that replaces every lane.
    """
    for entry in entries:
        if entry.seq != seq + 1 and not entry.opening:
            return None
        seq = entry.seq
    return entries


@dataclass(slots=True, eq=False)
class Waiter:
    """A reader that sleeps on its own loop, until it is woken or its time is over: no cancellation ends it."""

    loop: asyncio.AbstractEventLoop
    woken: asyncio.Future[bool]

    @classmethod
    def here(cls) -> Waiter:
        loop = asyncio.get_running_loop()
        return cls(loop, loop.create_future())

    async def sleep(self, timeout_s: float) -> bool:
        """Return whether it was woken before the time was over."""
        timer = self.loop.call_later(timeout_s, self.settle, False)
        try:
            return await self.woken
        finally:
            timer.cancel()

    def settle(self, woken: bool) -> None:
        if not self.woken.done():
            self.woken.set_result(woken)


def wake(waiters: Iterable[Waiter]) -> None:
    """Wake readers, from any thread: each of their loops is called once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Waiter]] = {}
    for waiter in waiters:
        by_loop.setdefault(waiter.loop, []).append(waiter)
    for loop, group in by_loop.items():
        call_on(loop, _settle, group)


def _settle(waiters: Iterable[Waiter]) -> None:
    for waiter in waiters:
        waiter.settle(True)


def call_on(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *args: Any) -> None:
    """Call a function on a loop, from any thread; nothing where the loop has closed: nobody is left on it."""
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:
        if not loop.is_closed():
            raise
