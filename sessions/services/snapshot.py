"""The input of a turn as JSON, stored when the turn is accepted and read when it is claimed."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from typing import Any

from accounts.models import User
from billing.models import ZERO_UUID
from billing.payer import Payer
from orchestration.engine.specs import (
    AgentSpec,
    CarriedAnswer,
    FileSpec,
    Limits,
    ModelSpec,
    SummaryPlan,
    TurnSpec,
)
from sessions.models import ChatSession, Message, Summary, Turn
from sessions.selectors.file_specs import files_by_seq, with_files
from sessions.selectors.history import line_of_message, transcript
from sessions.selectors.summaries import continued_spec
from sessions.services.client_context import client_from, client_json, client_lines, own_files
from sessions.services.roster import reading_models
from sessions.services.turn_request import ClientContext

SNAPSHOT_VERSION = 1


def snapshot_of(
    spec: TurnSpec,
    *,
    session: ChatSession,
    user: User,
    before_seq: int,
    summary_id: uuid.UUID | None,
    client: ClientContext | None = None,
    redone_summary_id: uuid.UUID | None = None,
    has_files: bool = False,
) -> dict[str, Any]:
    """Return the JSON that `spec_of` and `payer_of` read.

    Texts of messages and files stay in their rows; only the snapshot has the carried answers and the client's context.
    `has_files`: some message of the session brought a file.
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
        "draft_title": spec.draft_title,
        "before_seq": before_seq,
        "client": client_json(client),
        "has_files": has_files,
        "payer": {
            "team_id": str(user.team_id or ZERO_UUID),
            "team_name": user.team.name if user.team else "",
            "room_id": str(session.room_id or ZERO_UUID),
            "room_name": spec.room_name,
        },
    }


def spec_of(turn: Turn, *, question: str | None = None) -> TurnSpec:
    """Return the stored spec of an accepted turn, with texts from the transcript.

    `question`: the turn's `QUESTION_OF_TURN`, if selected: the first turn of a session then needs no further
    query.
    """
    data = turn.snapshot
    summary = summary_by_id(data["summary_id"])
    redone = summary_by_id(data.get("redone_summary_id"))
    after_seq = summary.through_seq if summary else 0
    messages: list[Message] = []
    if question is None or data["before_seq"] > after_seq + 1:
        messages = transcript(turn.session_id, after_seq=after_seq, through_seq=data["before_seq"])
    if question is None:
        question = next((message.text for message in messages if message.turn_id == turn.pk), "")
    lines = tuple(line_of_message(message) for message in messages if message.turn_id != turn.pk)
    client = client_from(data.get("client"))
    roster = tuple(AgentSpec(**{**agent, "model": ModelSpec(**agent["model"])}) for agent in data["roster"])
    manager = ModelSpec(**data["manager"]) if data["manager"] else None
    files: Mapping[int, tuple[FileSpec, ...]] = {}
    if data.get("has_files"):
        files = files_by_seq(
            turn.session_id,
            seqs=[line.seq for line in lines if line.role == "user"],
            own_seq=data["before_seq"] if turn.mode_spec.spoken else None,
            # A turn that only summarizes reads no more than the beginnings.
            models=reading_models(roster, manager) if turn.mode_spec.spoken else (),
        )
    brought = files.get(data["before_seq"], ()) if turn.mode_spec.spoken else ()
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
        manager=manager,
        summarizer=ModelSpec(**data["summarizer"]) if data["summarizer"] else None,
        limits=Limits(**data["limits"]),
        carried=tuple(CarriedAnswer(**answer) for answer in data["carried"]),
        instructions=data.get("instructions", {}),
        history=(
            *client_lines(client, turn.mode_spec, roster, data["room_name"], brought),
            *with_files(lines, files),
        ),
        client_system=client.system if client else "",
        summary=continued_spec(summary, redone),
        summarize=SummaryPlan(**data["summarize"]) if data["summarize"] else None,
        draft_title=data.get("draft_title", ""),
        files=own_files(client, brought),
    )


def summary_by_id(pk: str | None) -> Summary | None:
    return Summary.objects.filter(pk=pk).first() if pk else None


def payer_of(turn: Turn) -> Payer:
    """Return the payer of the turn's calls."""
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
