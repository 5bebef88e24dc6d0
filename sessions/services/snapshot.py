"""Rows become specs here: what a turn needs to run, taken when it is accepted and stored with it as JSON."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db.models import IntegerField, UUIDField

from accounts.models import User
from billing.models import ZERO_UUID
from billing.payer import Payer
from orchestration.engine.specs import (
    AgentSpec,
    CarriedAnswer,
    HistoryMessage,
    Limits,
    ModelSpec,
    SummaryPlan,
    TurnSpec,
)
from orchestration.models import LlmModel
from orchestration.selectors import default_model, model_by_alias, model_spec
from sessions.models import Agent, ChatSession, Message, Room, Summary, Turn
from sessions.selectors.summaries import continued_spec
from sessions.services.client_context import client_from, client_json, client_lines
from sessions.services.turn_request import ClientContext
from web.compiled import CompiledQuery, Slot
from web.errors import PantheonError

SNAPSHOT_VERSION = 1

Calibrations = Mapping[uuid.UUID, float]
"""Model -> how its provider counts, compared with our estimates."""


def agent_specs(
    agents: Sequence[Agent], *, calibrations: Calibrations, asked_on: LlmModel | None = None
) -> tuple[AgentSpec, ...]:
    """Return the roster, on the agents' own models, the instance's default, or all on `asked_on`.

    Raises `model_unavailable`.
    """
    default = default_model() if any(agent.model is None for agent in agents) else None
    specs: dict[uuid.UUID, ModelSpec] = {}
    roster = []
    for agent in agents:
        model = asked_on or agent.model or default
        assert model is not None
        if model.pk not in specs:
            refuse_unavailable(model, agent)
            specs[model.pk] = calibrated_spec(model, calibrations)
        roster.append(
            AgentSpec(
                str(agent.pk),
                agent.key,
                agent.name,
                agent.role_prompt,
                specs[model.pk],
                agent.temperature,
                agent.max_output_tokens,
            )
        )
    return tuple(roster)


def calibrated_spec(model: LlmModel, calibrations: Calibrations) -> ModelSpec:
    """Return a model with how its provider counts, compared with our estimates."""
    return dataclasses.replace(model_spec(model), calibration=calibrations.get(model.pk, 1.0))


def refuse_unavailable(model: LlmModel, agent: Agent) -> None:
    if not (model.enabled and model.provider.enabled and model.provider.has_key):
        raise PantheonError(
            "model_unavailable",
            f"@{agent.key} runs on {model.alias}, which is switched off or lacks its key. Choose another model.",
            {"model": model.alias, "agent": agent.key},
        )


def manager_spec(room: Room, roster: Sequence[AgentSpec], calibrations: Calibrations) -> ModelSpec:
    """Return the manager's model: the room's, the instance's, or that of the room's first agent."""
    if room.manager_model is not None:
        return calibrated_spec(model_by_alias(room.manager_model.alias), calibrations)
    if settings.PANTHEON_MANAGER_MODEL:
        return calibrated_spec(model_by_alias(settings.PANTHEON_MANAGER_MODEL), calibrations)
    return roster[0].model


def summarizer_spec(roster: Sequence[AgentSpec], calibrations: Calibrations) -> ModelSpec:
    """Return the summarizer's model: the instance's, or that of the room's first agent."""
    if settings.PANTHEON_SUMMARIZER_MODEL:
        return calibrated_spec(model_by_alias(settings.PANTHEON_SUMMARIZER_MODEL), calibrations)
    return roster[0].model


def snapshot_of(
    spec: TurnSpec,
    *,
    session: ChatSession,
    user: User,
    before_seq: int,
    summary_id: uuid.UUID | None,
    client: ClientContext | None = None,
    redone_summary_id: uuid.UUID | None = None,
) -> dict[str, Any]:
    """Return the JSON that `spec_of` and `payer_of` read.

    Message text stays in its rows; carried answers, and what a client sent, are here alone.
    """
    return {
        "version": SNAPSHOT_VERSION,
        "roster": [dataclasses.asdict(agent) for agent in spec.roster],
        "addressed": list(spec.addressed),
        "room_name": spec.room_name,
        "goal": spec.goal,
        "manager": spec.manager and dataclasses.asdict(spec.manager),
        "summarizer": spec.summarizer and dataclasses.asdict(spec.summarizer),
        "limits": dataclasses.asdict(spec.limits),
        "carried": [dataclasses.asdict(answer) for answer in spec.carried],
        "instructions": dict(spec.instructions),
        "summary_id": summary_id and str(summary_id),
        "redone_summary_id": redone_summary_id and str(redone_summary_id),
        "summarize": spec.summarize and dataclasses.asdict(spec.summarize),
        "before_seq": before_seq,
        "client": client_json(client),
        "payer": {
            "team_id": str(user.team_id or ZERO_UUID),
            "team_name": user.team.name if user.team else "",
            "room_id": str(session.room_id or ZERO_UUID),
            "room_name": spec.room_name,
        },
    }


def history_of(
    session_id: uuid.UUID, *, after_seq: int, before_seq: int, without: Turn | None = None
) -> tuple[HistoryMessage, ...]:
    """Return what was said in a range, that of the turn `without` left out."""
    if before_seq == after_seq + 1:
        return ()
    said = transcript(session_id, after_seq=after_seq, through_seq=before_seq - 1)
    return tuple(
        line_of_message(message) for message in said if without is None or message.turn_id != without.pk
    )


def transcript(session_id: uuid.UUID, *, after_seq: int, through_seq: int) -> list[Message]:
    """Return what models are told of a range: no replaced turns, no failed answers, nothing empty."""
    return TRANSCRIPT(session_id=session_id, after_seq=after_seq, through_seq=through_seq)


TRANSCRIPT: CompiledQuery[Message] = CompiledQuery(
    lambda: (
        Message.objects.filter(
            session_id=Slot("session_id", UUIDField()),
            seq__gt=Slot("after_seq", IntegerField()),
            seq__lte=Slot("through_seq", IntegerField()),
        )
        .filter(turn__replaced_by__isnull=True)
        .exclude(status=Message.Status.FAILED)
        .exclude(text="")
        .order_by("seq")
    )
)


def line_of_message(message: Message) -> HistoryMessage:
    return HistoryMessage(message.seq, message.role, message.text, message.agent_key, message.agent_name)  # type: ignore[arg-type]


def verbatim_from_seq(history: Sequence[HistoryMessage]) -> tuple[int, int]:
    """Return the seq from which the newest turns stay verbatim, and how many turns the history spans."""
    if not history:
        return 0, 0
    firsts = [line.seq for line in history if line.role == "user"]
    kept = firsts[-settings.PANTHEON_VERBATIM_TURNS :] if settings.PANTHEON_VERBATIM_TURNS else []
    return (kept[0] if kept else history[-1].seq + 1), len(firsts)


QUESTION_OF_TURN = (
    f"(SELECT text FROM {Message._meta.db_table} WHERE role = 'user' AND turn_id = {{turn_id}})"
)
"""SQL of what a turn asks, NULL if it only summarizes, to be selected along with the turn."""


def spec_of(turn: Turn, *, question: str | None = None) -> TurnSpec:
    """Return the spec that an accepted turn was stored with, its texts read from the transcript.

    `question`: the turn's `QUESTION_OF_TURN`, if it was selected: the first turn of a session needs nothing more.
    """
    data = turn.snapshot
    summary = summary_by_id(data["summary_id"])
    redone = summary_by_id(data.get("redone_summary_id"))
    after_seq = summary.through_seq if summary else 0
    said: list[Message] = []
    if question is None or data["before_seq"] > after_seq + 1:
        said = transcript(turn.session_id, after_seq=after_seq, through_seq=data["before_seq"])
    if question is None:
        question = next((message.text for message in said if message.turn_id == turn.pk), "")
    client = client_from(data.get("client"))
    roster = tuple(AgentSpec(**{**agent, "model": ModelSpec(**agent["model"])}) for agent in data["roster"])
    return TurnSpec(
        turn_id=str(turn.pk),
        session_id=str(turn.session_id),
        index=turn.index,
        mode=turn.mode_spec,
        message=question,
        roster=roster,
        addressed=tuple(data["addressed"]),
        room_name=data["room_name"],
        goal=data["goal"],
        manager=ModelSpec(**data["manager"]) if data["manager"] else None,
        summarizer=ModelSpec(**data["summarizer"]) if data["summarizer"] else None,
        limits=Limits(**data["limits"]),
        carried=tuple(CarriedAnswer(**answer) for answer in data["carried"]),
        instructions=data.get("instructions", {}),
        history=(
            *client_lines(client, turn.mode_spec, roster, data["room_name"]),
            *(line_of_message(message) for message in said if message.turn_id != turn.pk),
        ),
        client_system=client.system if client else "",
        summary=continued_spec(summary, redone),
        summarize=SummaryPlan(**data["summarize"]) if data["summarize"] else None,
    )


def summary_by_id(pk: str | None) -> Summary | None:
    return Summary.objects.filter(pk=pk).first() if pk else None


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
