"""The event log of turns: in this process's memory, or in Redis where `REDIS_URL` names one."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any, Protocol

from django.conf import settings

from sessions.events.entries import Entry
from sessions.events.memory_log import MemoryEventLog
from sessions.events.redis_log import RedisEventLog


class EventLog(Protocol):
    """Ordered logs by turn, bounded per turn, kept for an hour after the end.

    A log that cannot be reached is one that knows nothing: readers look at the turn's row then, and no turn fails.
    """

    max_bytes_per_turn: int

    def append(self, turn_id: uuid.UUID, seq: int, event: dict[str, Any]) -> None:
        """Add an event and wake the turn's readers. Never blocks, never fails; a seq that is not new is passed over.

        The first event of a claim must be one of `OPENING`.
        """
        ...

    def lost(self) -> set[uuid.UUID]:
        """Return turns that this process publishes and whose log vanished: they go on after a new snapshot."""
        ...

    def release(self, turn_id: uuid.UUID) -> None:
        """Note that this process publishes nothing more of a turn."""
        ...

    async def after(self, turn_id: uuid.UUID, seq: int) -> list[Entry] | None:
        """Return entries after `seq`, the next ones first, None where some of them are gone."""
        ...

    async def last_seq(self, turn_id: uuid.UUID) -> int:
        """Return the newest seq, 0 where the log knows nothing of the turn."""
        ...

    async def wait(self, turn_id: uuid.UUID, seq: int, timeout_s: float) -> bool:
        """Return True once there is something after `seq`, False when the time is over.

        Where it returns True at once, `after` has something: a reader that asks both in a loop does not spin.
        """
        ...

    def forget(self, turn_ids: Collection[uuid.UUID]) -> None:
        """Drop turns' events; their readers fall back to a snapshot. Blocks; what Redis does not take expires there."""
        ...

    def held(self) -> list[uuid.UUID]:
        """Return the turns whose events are in this process alone, so that no other can forget them."""
        ...

    def expire(self) -> None:
        """Forget what ended an hour ago."""
        ...

    def check(self) -> str:
        """Return `ok` where events can be written. Raises RedisError or OSError. Blocks."""
        ...

    def drain(self, timeout_s: float) -> None:
        """Let what was appended arrive, as far as the time allows. Blocks."""
        ...


event_log: EventLog = RedisEventLog(settings.REDIS_URL) if settings.REDIS_URL else MemoryEventLog()
