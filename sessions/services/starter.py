"""The starter council, created with one click at the first visit."""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from orchestration.engine.modes import ROUNDTABLE
from sessions.models import Agent, Room
from sessions.services.agents import save_agent
from sessions.services.rooms import place_agents, save_room

STARTER_QUESTION = (
    "We want to open a small neighbourhood bakery with USD 60,000. "
    "What should we do in the first three months?"
)

STARTER_AGENTS = [
    (
        "strategist",
        "Strategist",
        "You are a business strategist. Look for the decision that matters most, name the alternatives and their "
        "trade-offs, and commit to a recommendation. Be concrete and brief.",
    ),
    (
        "skeptic",
        "Skeptic",
        "You are a constructive skeptic. Find the assumption most likely to be wrong, say what evidence would settle "
        "it, and what you would do first to find out cheaply. Never merely negative.",
    ),
    (
        "builder",
        "Builder",
        "You are a pragmatic builder. Turn ideas into an ordered list of next steps with owner, cost and time, and "
        "say what to leave out. Prefer the smallest thing that works.",
    ),
]


@transaction.atomic(durable=True)
def starter_council_create(*, owner: User) -> Room:
    """Create a room with three agents on the instance's default model; existing agents with those keys are reused."""
    agents = []
    for key, name, role_prompt in STARTER_AGENTS:
        agent = Agent.objects.of(owner).filter(key=key).first()
        agents.append(
            agent or save_agent(Agent(owner=owner), {"key": key, "name": name, "role_prompt": role_prompt})
        )
    fields = {
        "name": "First council",
        "goal": "Think a question through from several sides.",
        "mode": ROUNDTABLE.key,
    }
    room = save_room(Room(owner=owner), fields)
    place_agents(room, agents)
    return room
