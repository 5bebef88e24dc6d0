"""Whom a turn's calls are booked on."""

from __future__ import annotations

import uuid
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """Who and what a turn's calls are booked on, with names as they were when it was accepted."""

    user_id: uuid.UUID
    team_id: uuid.UUID
    team_name: str
    token_id: uuid.UUID | None
    room_id: uuid.UUID
    room_name: str
    session_id: uuid.UUID
    turn_id: uuid.UUID
    mode: str
