"""An empty session: the faces of its agents, and questions to begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestration.engine.modes import DIRECT
from sessions.models import Agent, Room
from sessions.pages.answers import hue


@dataclass(frozen=True, slots=True)
class Face:
    """An agent as an empty session introduces it."""

    key: str
    name: str
    model: str
    """Empty: the server's default."""

    @property
    def hue(self) -> int:
        return hue(self.key)

    @property
    def initial(self) -> str:
        return self.name[:1].upper()


def empty_context(room: Room | None, agents: Sequence[Agent]) -> dict[str, Any]:
    """Return the context of partials/empty_session.html."""
    mode = room.mode_spec if room else DIRECT
    faces = [Face(agent.key, agent.name, agent.model.alias if agent.model else "") for agent in agents]
    return {"faces": faces, "examples": mode.examples}
