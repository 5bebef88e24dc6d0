"""The event log of turns: in Redis if `REDIS_URL` is set, else in this process's memory."""

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

    An unreachable log behaves like an empty one: readers fall back to the turn's row, and no turn fails.
    """

    max_bytes_per_turn: int

    def append(self, turn_id: uuid.UUID, seq: int, event: dict[str, Any]) -> None:
        """Add an event and wake the turn's readers. Never blocks or fails; ignores a seq that is not new.

        The first event of a claim must be one of `OPENING`.
        """
        ...

    def lost_turns(self) -> set[uuid.UUID]:
        """Return turns published by this process whose log is gone. They continue after a new snapshot."""
        ...

    def release(self, turn_id: uuid.UUID) -> None:
        """Note that this process publishes no more events of a turn."""
        ...

    async def after(self, turn_id: uuid.UUID, seq: int) -> list[Entry] | None:
        """Return entries after `seq`, oldest first, None if some of them are gone."""
        ...

    async def last_seq(self, turn_id: uuid.UUID) -> int:
        """Return the newest seq, 0 if the log has no events of the turn."""
        ...

    async def wait(self, turn_id: uuid.UUID, seq: int, timeout_s: float) -> bool:
        """Return True once there is something after `seq`, False on timeout.

        If it returns True at once, `after` returns something: a reader that calls both in a loop does not
        spin.
        """
        ...

    def forget(self, turn_ids: Collection[uuid.UUID]) -> None:
        """Delete turns' events; their readers fall back to a snapshot. Blocks.

        Events that Redis does not delete expire.
        """
        ...

    def local_turns(self) -> list[uuid.UUID]:
        """Return the turns whose events are only in this process, so that no other process can delete them."""
        ...

    def expire(self) -> None:
        """Delete the events of turns that ended an hour ago."""
        ...

    def check(self) -> str:
        """Return `ok` if events can be written. Raises RedisError or OSError. Blocks."""
        ...

    def drain(self, timeout_s: float) -> None:
        """Wait until appended events are delivered, or until the timeout. Blocks."""
        ...


event_log: EventLog = RedisEventLog(settings.REDIS_URL) if settings.REDIS_URL else MemoryEventLog()
