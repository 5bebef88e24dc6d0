"""Rows become specs here: what a turn needs to run, taken when it is accepted and stored with it as JSON."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Sequence
from typing import Any

from accounts.models import User
from billing.models import ZERO_UUID
from billing.services.usage import Payer
from orchestration.engine.specs import AgentSpec, HistoryMessage, ModelSpec, TurnSpec
from orchestration.selectors import default_model, model_spec
from pantheon.errors import PantheonError
from sessions.models import Agent, ChatSession, Message, Turn

SNAPSHOT_VERSION = 1


def agent_specs(agents: Sequence[Agent]) -> tuple[AgentSpec, ...]:
    """Return the roster; agents without a model of their own get the instance's default. Raises `model_unavailable`."""
    default = default_model() if any(agent.model is None for agent in agents) else None
    specs = []
    for agent in agents:
        model = agent.model or default
        assert model is not None
        if not (model.enabled and model.provider.enabled and model.provider.has_key):
            raise PantheonError(
                "model_unavailable",
                f"@{agent.key} runs on {model.alias}, which is switched off or lacks its key. Choose another model.",
                {"model": model.alias, "agent": agent.key},
            )
        specs.append(
            AgentSpec(
                str(agent.pk),
                agent.key,
                agent.name,
                agent.role_prompt,
                model_spec(model),
                agent.temperature,
                agent.max_output_tokens,
            )
        )
    return tuple(specs)


def snapshot_of(spec: TurnSpec, *, session: ChatSession, user: User, before_seq: int) -> dict[str, Any]:
    """Return the JSON that `spec_of` and `payer_of` read: no message text, which stays in its rows."""
    return {
        "version": SNAPSHOT_VERSION,
        "roster": [dataclasses.asdict(agent) for agent in spec.roster],
        "addressed": list(spec.addressed),
        "room_name": spec.room_name,
        "goal": spec.goal,
        "before_seq": before_seq,
        "payer": {
            "team_id": str(user.team_id or ZERO_UUID),
            "team_name": user.team.name if user.team else "",
            "room_id": str(session.room_id or ZERO_UUID),
            "room_name": spec.room_name,
        },
    }


def history_of(session_id: uuid.UUID, *, before_seq: int) -> tuple[HistoryMessage, ...]:
    """Return what was said before: no replaced turns, no failed answers, nothing empty."""
    messages = (
        Message.objects.filter(session_id=session_id, seq__lt=before_seq, turn__replaced_by__isnull=True)
        .exclude(status=Message.Status.FAILED)
        .exclude(text="")
        .order_by("seq")
    )
    return tuple(
        HistoryMessage(message.seq, message.role, message.text, message.agent_key, message.agent_name)  # type: ignore[arg-type]
        for message in messages
    )


def spec_of(turn: Turn) -> TurnSpec:
    """Return the spec that an accepted turn was stored with, its texts read from the transcript."""
    snapshot = turn.snapshot
    roster = tuple(
        AgentSpec(**{**agent, "model": ModelSpec(**agent["model"])}) for agent in snapshot["roster"]
    )
    return TurnSpec(
        turn_id=str(turn.pk),
        session_id=str(turn.session_id),
        index=turn.index,
        mode=turn.mode,
        message=Message.objects.get(turn=turn, role=Message.Role.USER).text,
        roster=roster,
        addressed=tuple(snapshot["addressed"]),
        room_name=snapshot["room_name"],
        goal=snapshot["goal"],
        history=history_of(turn.session_id, before_seq=snapshot["before_seq"]),
    )


def payer_of(turn: Turn) -> Payer:
    """Return whom the turn's calls are booked on."""
    payer = turn.snapshot["payer"]
    return Payer(
        user_id=turn.user_id,
        team_id=uuid.UUID(payer["team_id"]),
        team_name=payer["team_name"],
        token_id=turn.token_id,
        room_id=uuid.UUID(payer["room_id"]),
        room_name=payer["room_name"],
        session_id=turn.session_id,
        turn_id=turn.pk,
        mode=turn.mode,
    )
