"""The agents of a session and the models they run on."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping, Sequence

from django.conf import settings
from django.db.models import UUIDField

from billing.selectors.answered import has_answered
from orchestration.engine.specs import AgentSpec, ModelSpec, TurnSpec
from orchestration.gateway.keys import may_think_in_text
from orchestration.models import LlmModel
from orchestration.selectors import available_models, default_model, model_by_alias, model_spec
from sessions.models import Agent, ChatSession, Room
from sessions.selectors.calibration import Observation
from web.database.compiled import CompiledQuery, Slot
from web.errors import PantheonError

Observations = Mapping[uuid.UUID, Observation]
"""Model -> what the user's newest calls have shown about it."""

AGENT: CompiledQuery[Agent] = CompiledQuery(
    lambda: (
        Agent.objects.alive()
        .select_related("model__provider")
        .filter(pk=Slot("agent_id", UUIDField()))
        .order_by()
    )
)
AGENTS_OF_ROOM: CompiledQuery[Agent] = CompiledQuery(
    lambda: (
        Agent.objects.alive()
        .select_related("model__provider")
        .filter(places__room_id=Slot("room_id", UUIDField()))
        .order_by("places__position")
    )
)


def agents_of(session: ChatSession) -> list[Agent]:
    """Return the agents of a session, in room order. Raises `no_room_agents`."""
    if session.room_id is None:
        agents = AGENT(agent_id=session.agent_id)
    else:
        agents = AGENTS_OF_ROOM(room_id=session.room_id)
    if not agents:
        message = "No agents in this room yet. Add an agent first."
        if session.room_id is None:
            message = "This agent has been deleted. Start a session with another one."
        raise PantheonError("no_room_agents", message)
    return agents


def agent_specs(
    agents: Sequence[Agent], *, observed: Observations, model_override: LlmModel | None = None
) -> tuple[AgentSpec, ...]:
    """Return the roster, on the agents' own models, the instance's default, or all on `model_override`.

    Raises `model_unavailable`.
    """
    default = default_model(has_answered) if any(agent.model is None for agent in agents) else None
    specs: dict[uuid.UUID, ModelSpec] = {}
    roster = []
    for agent in agents:
        model = model_override or agent.model or default
        assert model is not None
        if model.pk not in specs:
            refuse_unavailable(model, agent)
            specs[model.pk] = observed_spec(model, observed)
        roster.append(
            AgentSpec(
                str(agent.pk),
                agent.key,
                agent.name,
                agent.role_prompt,
                specs[model.pk],
                agent.temperature,
                agent.max_output_tokens,
                agent.reasoning_effort,
            )
        )
    return tuple(roster)


def observed_spec(model: LlmModel, observed: Observations) -> ModelSpec:
    """Return a model with what the user's newest calls have shown about it."""
    seen, spec = observed.get(model.pk, Observation()), model_spec(model)
    opens_in_thought = seen.opens_in_thought
    if opens_in_thought is None and not may_think_in_text(spec):
        opens_in_thought = False
    return dataclasses.replace(
        spec,
        calibration=seen.calibration,
        opens_in_thought=opens_in_thought,
        served_window=seen.served_window,
        read_most=seen.read_most,
        max_output_tokens=min(spec.max_output_tokens, seen.most_output or spec.max_output_tokens),
    )


def refuse_unavailable(model: LlmModel, agent: Agent) -> None:
    if not (model.enabled and model.provider.enabled and model.provider.has_key):
        raise PantheonError(
            "model_unavailable",
            f"@{agent.key} runs on {model.alias}, which is disabled or has no API key. Choose another model.",
            {"model": model.alias, "agent": agent.key},
        )


def manager_spec(room: Room, roster: Sequence[AgentSpec], observed: Observations) -> ModelSpec:
    """Return the manager's model: the room's, the instance's, or that of the room's first agent."""
    if room.manager_model is not None:
        return observed_spec(model_by_alias(room.manager_model.alias), observed)
    if settings.PANTHEON_MANAGER_MODEL:
        return observed_spec(model_by_alias(settings.PANTHEON_MANAGER_MODEL), observed)
    return roster[0].model


def reading_models(roster: Sequence[AgentSpec], manager: ModelSpec | None) -> list[ModelSpec]:
    """Return the models that may read whole files."""
    return [*(agent.model for agent in roster), *([manager] if manager else [])]


def summarizer_spec(roster: Sequence[AgentSpec], observed: Observations) -> ModelSpec:
    """Return the summarizer's model: the instance's, or that of the room's first agent."""
    if settings.PANTHEON_SUMMARIZER_MODEL:
        return observed_spec(model_by_alias(settings.PANTHEON_SUMMARIZER_MODEL), observed)
    return roster[0].model


def has_summarizer() -> bool:
    """Return whether the summarizer's model is available; without a setting it is an agent's."""
    alias = settings.PANTHEON_SUMMARIZER_MODEL
    return not alias or any(model.alias == alias for model in available_models())


def list_candidates(spec: TurnSpec) -> list[AgentSpec]:
    """Return the addressed agents, or all that the manager may choose from."""
    return [spec.agent(key) for key in spec.addressed] or list(spec.roster)
