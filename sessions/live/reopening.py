"""Reopen the lost event log of a running turn: one snapshot replaces all lost events."""

from __future__ import annotations

from sessions.live.bridge import Bridge
from sessions.live.database import Database
from sessions.selectors.turns import turn_json_by_id

READS = 5


async def reopen_log(bridge: Bridge, database: Database) -> None:
    """Publish the turn's current state at its next seq.

    Reads the rows again if a step began or ended meanwhile. A turn that keeps changing is left for the next
    try, and one whose run has ended for its terminal event.
    """
    for _ in range(READS):
        before = bridge.last_change
        snapshot = await database.run(turn_json_by_id, bridge.claimed.turn_id, with_text=True)
        if bridge.committing:
            return
        if bridge.last_change == before:
            bridge.publish_snapshot(snapshot)
            return
