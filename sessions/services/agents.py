"""Writes on agents."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from sessions.models import Agent
from sessions.models.agent import RESERVED_KEYS
from sessions.services.bounds import refuse_one_more
from sessions.services.locks import lock_existing
from web.errors import PantheonError, ValidationFailed
from web.validation import require_valid

AGENT_FIELDS = frozenset(
    {"key", "name", "model", "role_prompt", "temperature", "max_output_tokens", "reasoning_effort"}
)


@transaction.atomic(durable=True)
def agent_create(*, owner: User, **fields: Any) -> Agent:
    """Create an agent.

    Raises ValidationFailed, also if the owner has too many agents, and `agent_key_taken`.
    """
    return save_agent(Agent(owner=owner), fields)


@transaction.atomic(durable=True)
def agent_update(*, agent: Agent, **fields: Any) -> Agent:
    """Change an agent; running turns keep the values from their acceptance. Raises like `agent_create`."""
    return save_agent(lock_existing(agent), fields)


def save_agent(agent: Agent, fields: dict[str, Any]) -> Agent:
    """Validate and save (inside a transaction)."""
    for name, value in fields.items():
        if name not in AGENT_FIELDS:
            raise TypeError(f"agents have no field {name!r}")
        setattr(agent, name, value)
    if agent.key in RESERVED_KEYS:
        raise ValidationFailed({"key": [f"@{agent.key} addresses every agent; choose another handle."]})
    require_valid(agent, validate_constraints=False)
    if agent._state.adding:
        refuse_one_more(Agent, agent.owner)
    try:
        with transaction.atomic():
            agent.save()
    except IntegrityError as error:
        raise PantheonError(
            "agent_key_taken", f"You have an agent @{agent.key} already.", {"key": agent.key}
        ) from error
    return agent


@transaction.atomic(durable=True)
def agent_delete(*, agent: Agent) -> None:
    """Delete softly: frees the key and removes the agent from its rooms; transcripts and ledger stay.

    Its room memberships are kept, hidden, for `agent_restore` until the room's agents are changed.
    """
    agent = lock_existing(agent)
    agent.deleted_at = timezone.now()
    agent.save(update_fields=["deleted_at", "updated_at"])
