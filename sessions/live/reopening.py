"""Open the event log of a running turn anew, after it vanished: one snapshot stands in for all that was lost."""

from __future__ import annotations

from typing import Any

from sessions.live.bridge import Bridge
from sessions.live.database import Database
from sessions.selectors.turns import turn_json_by_id

READS = 5


async def reopen_log(bridge: Bridge, database: Database) -> None:
    """Publish the turn as it is, at its next seq.

    The rows are read again where a step began or ended meanwhile; a turn that does not stand still is left for the
    next try, and one whose run is over meanwhile to its end.
    """
    for _ in range(READS):
        before = bridge.last_change
        snapshot = await database.run(turn_json_by_id, bridge.claimed.turn_id, with_text=True)
        if bridge.committing:
            return
        if bridge.last_change == before:
            publish_snapshot(bridge, snapshot)
            return


def publish_snapshot(bridge: Bridge, snapshot: dict[str, Any]) -> None:
    """Publish rows together with the text of open steps, of which no row knows."""
    bridge.flush()
    steps = {step["step_id"]: step for step in snapshot["steps"]}
    for step_id, lane in bridge.lanes.items():
        if step_id in steps:
            steps[step_id]["text"] = steps[step_id]["text"] or "".join(lane.text)
    bridge.publish("turn.snapshot", turn=snapshot)
    for step_id, lane in bridge.lanes.items():
        if step_id not in steps:
            bridge.publish_started(lane)
