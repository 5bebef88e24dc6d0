"""Recipients of the next message in a room: the agents mentioned in the last one, at first everyone."""

from __future__ import annotations

from collections.abc import Sequence

from orchestration.engine.tags import EVERYBODY, parse_tags
from sessions.models import Agent, Room

EVERYBODY_CHOICE = {"key": EVERYBODY, "name": "Everyone"}
"""Mentions that are offered beside the room's agents."""


def next_addressees(room: Room | None, agents: Sequence[Agent], last_message: str) -> list[str]:
    """Return the keys of mentioned agents still in the room, else `all`; empty if the mode needs no mentions."""
    if room is None or not agents or not room.mode_spec.needs_tags:
        return []
    tagged = parse_tags(last_message, [*(agent.key for agent in agents), EVERYBODY]).keys
    return [EVERYBODY] if EVERYBODY in tagged else list(tagged) or [EVERYBODY]
