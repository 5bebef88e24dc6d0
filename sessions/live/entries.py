"""What an event log holds, and when a part of it is whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
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
    """A reader that sleeps on its own loop."""

    loop: asyncio.AbstractEventLoop
    event: asyncio.Event

    @classmethod
    def here(cls) -> Waiter:
        return cls(asyncio.get_running_loop(), asyncio.Event())

    def wake(self) -> None:
        """Callable from any thread."""
        try:
            self.loop.call_soon_threadsafe(self.event.set)
        except RuntimeError:
            # The reader's loop has closed: nobody is left to be woken.
            return

    async def sleep(self, timeout_s: float) -> bool:
        """Return whether it was woken before the time was over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.event.wait()
        except TimeoutError:
            return False
        return True
