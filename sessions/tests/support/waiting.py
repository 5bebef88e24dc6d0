"""Wait for events on another thread: until they happen, never for a fixed time."""

from __future__ import annotations

import asyncio
import uuid

from sessions.events.eventlog import event_log


def wait_for_event(turn_id: uuid.UUID | str, text: str) -> None:
    """Return once an event that contains this text is in a turn's log."""
    asyncio.run(_wait_for_event(uuid.UUID(str(turn_id)), text))


async def _wait_for_event(turn_id: uuid.UUID, text: str) -> None:
    async with asyncio.timeout(10):
        while True:
            entries = await event_log.after(turn_id, 0) or []
            if any(text in entry.data for entry in entries):
                return
            await event_log.wait(turn_id, entries[-1].seq if entries else 0, 1.0)
