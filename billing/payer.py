"""The person, team and room that a turn's calls are attributed to."""

from __future__ import annotations

import uuid
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """The attribution of a turn's calls, with names as of its acceptance."""

    user_id: uuid.UUID
    team_id: uuid.UUID
    team_name: str
    token_id: uuid.UUID | None
    room_id: uuid.UUID
    room_name: str
    session_id: uuid.UUID
    turn_id: uuid.UUID
    mode: str
