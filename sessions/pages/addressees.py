"""Whom the next message in a room asks where it does not say: those that the last one tagged."""

from __future__ import annotations

from collections.abc import Sequence

from orchestration.engine.tags import EVERYBODY, parse_tags
from sessions.models import Agent, Room


def last_addressees(room: Room | None, agents: Sequence[Agent], last_message: str) -> list[str]:
    """Return the keys of agents who sit in a room still, or `all`; nobody where no tags are needed."""
    if room is None or not room.mode_spec.needs_tags:
        return []
    tagged = parse_tags(last_message, [*(agent.key for agent in agents), EVERYBODY]).keys
    return [EVERYBODY] if EVERYBODY in tagged else list(tagged)
