"""How programs reach a room or an agent: what the panel beside a conversation shows under *Connect*."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest

from sessions.models import Agent, Room
from sessions.selectors.room_names import room_name
from web.addresses import instance_url


@dataclass(frozen=True, slots=True)
class Connect:
    """Settings for a client of the OpenAI API."""

    base_url: str
    model: str


def connect_to(
    request: HttpRequest, *, room: Room | None = None, agent: Agent | None = None
) -> Connect | None:
    """Return the settings for a room or else an agent; None if that was deleted."""
    if room is not None:
        model = f"room:{room_name(room)}"
    elif agent is not None and agent.deleted_at is None:
        model = f"agent:{agent.key}"
    else:
        return None
    return Connect(f"{instance_url(request)}/v1", model)
