"""Plan a turn: the agents to ask and their input. All refusals for a request's content happen here."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.conf import settings

from orchestration.engine.context import least_message_input, window_of
from orchestration.engine.files import list_files
from orchestration.engine.modes import DIRECT, MODES, Mode
from orchestration.engine.specs import AgentSpec, CarriedAnswer, FileSpec, Limits, ModelSpec, TurnSpec
from orchestration.engine.tags import parse_tags
from sessions.models import ChatSession, Message, Room, Summary
from sessions.models.modes import room_modes
from sessions.selectors.calibration import observations
from sessions.selectors.ends import SessionEnd
from sessions.selectors.file_specs import files_by_seq, short_specs, with_files, with_whole_texts
from sessions.selectors.history import history_of
from sessions.selectors.message_files import question_of_turn
from sessions.selectors.summaries import newest_summary, summary_spec
from sessions.services.chats import title_from
from sessions.services.client_context import client_from, client_lines, own_files, with_client_parameters
from sessions.services.roster import (
    Observations,
    agent_specs,
    agents_of,
    has_summarizer,
    list_candidates,
    manager_spec,
    reading_models,
    summarizer_spec,
)
from sessions.services.summary_due import summary_due
from sessions.services.turn_request import ClientContext, TurnRequest
from web.errors import PantheonError, ValidationFailed


@dataclass(frozen=True, slots=True)
class TurnPlan:
    """A turn that can be accepted."""

    spec: TurnSpec
    unknown_tags: tuple[str, ...]
    summary_id: uuid.UUID | None
    client: ClientContext | None = None
    redone_summary_id: uuid.UUID | None = None
    """The summary that a new one replaces."""
    has_files: bool = False
    """Some message of the session brought a file."""


@dataclass(frozen=True, slots=True)
class CouncilPlan:
    """The agents that answer a turn, and the manager."""

    mode: Mode
    roster: tuple[AgentSpec, ...]
    addressed: tuple[str, ...]
    unknown_tags: tuple[str, ...]
    manager: ModelSpec | None
    observed: Observations
    repeats: bool
    """For a new version that asks only some agents: it repeats the old question, so good answers still fit."""


def plan_turn(session: ChatSession, request: TurnRequest, end: SessionEnd) -> TurnPlan:
    """Return the plan of a turn after `end` (inside a transaction). Raises the 422 codes.

    In three steps: choose the agents, build their input, and check that it fits and whether a summary is due.
    """
    client = request.client or client_from(end.client)
    council = council_of(session, request, client)
    newest = newest_summary(session.pk) if end.has_summary else None
    spec = planned_spec(council, session, request, end, client, newest)
    if spec.files:
        # What is refused loads one text, and none of earlier messages: refusals cost nothing, so there may be many.
        refuse_overflow(spec)
    spec = with_loaded_files(spec, council, end)
    refuse_overflow(spec)
    if (summary := summary_due(spec)) is not None:
        spec = replace(spec, summarize=summary, summarizer=summarizer_spec(council.roster, council.observed))
    spec = titled_spec(spec, session, council.observed)
    return TurnPlan(
        spec,
        council.unknown_tags,
        newest.pk if newest else None,
        client,
        has_files=end.has_files or spec.has_files,
    )


def titled_spec(spec: TurnSpec, session: ChatSession, observed: Observations) -> TurnSpec:
    """Return the spec with the title that its message gives the session, if a model is to write a better one.

    A session of the OpenAI-compatible endpoint is in no list. A title is never the reason to refuse a turn, so there
    is none if the summarizer's model is not available.
    """
    if session.title or not settings.PANTHEON_TITLES or session.origin == ChatSession.Origin.API:
        return spec
    if spec.summarizer is None and not has_summarizer():
        return spec
    return replace(
        spec,
        draft_title=title_from(spec.message, [agent.key for agent in spec.roster]),
        summarizer=spec.summarizer or summarizer_spec(spec.roster, observed),
    )


def council_of(session: ChatSession, request: TurnRequest, client: ClientContext | None) -> CouncilPlan:
    mode = mode_of(session, request)
    agents = agents_of(session)
    keys = [agent.key for agent in agents]
    untagged = keys if session.origin == ChatSession.Origin.API else ()
    repeats = is_repeat(request)
    addressed, unknown_tags = addressed_agents(mode, request, keys, untagged=untagged, repeats=repeats)
    observed = observations(session.owner_id)
    roster = with_client_parameters(
        client, agent_specs(agents, observed=observed, model_override=request.model)
    )
    room = session.room
    manager = manager_spec(room, roster, observed) if room and mode.concluded else None
    return CouncilPlan(mode, roster, addressed, unknown_tags, manager, observed, repeats)


def planned_spec(
    council: CouncilPlan,
    session: ChatSession,
    request: TurnRequest,
    end: SessionEnd,
    client: ClientContext | None,
    newest: Summary | None,
) -> TurnSpec:
    """Return the spec of a turn: the council's input, and the answers kept from the replaced turn.

    Long texts, and files of earlier messages, are still to be loaded.
    """
    room = session.room
    room_name = room.name if room else ""
    history = history_of(
        session.pk,
        after_seq=newest.through_seq if newest else 0,
        before_seq=end.seq + 1,
        without=request.replaces,
    )
    brought = short_specs(request.files)
    return TurnSpec(
        turn_id="",
        session_id=str(session.pk),
        index=end.index + 1,
        mode=council.mode,
        message=request.message,
        roster=council.roster,
        addressed=council.addressed,
        room_name=room_name,
        goal=room.goal if room else "",
        manager=council.manager,
        limits=limits_of(room, request, client),
        carried=carried_answers(council, request),
        instructions=instructions_before(council, request),
        history=(*client_lines(client, council.mode, council.roster, room_name, brought), *history),
        client_system=client.system if client else "",
        summary=summary_spec(newest) if newest else None,
        files=own_files(client, brought),
    )


def with_loaded_files(spec: TurnSpec, council: CouncilPlan, end: SessionEnd) -> TurnSpec:
    """Return a spec with the texts of its files, and with the files of earlier messages."""
    brought = list(list_files(spec))
    by_id = {file.id: file for file in with_whole_texts(brought, brought)}
    history = tuple(
        replace(line, files=tuple(by_id[file.id] for file in line.files)) if line.files else line
        for line in spec.history
    )
    if end.has_files:
        seqs = [line.seq for line in history if line.role == "user" and line.seq > 0]
        models = reading_models(council.roster, council.manager)
        history = with_files(history, files_by_seq(uuid.UUID(spec.session_id), seqs=seqs, models=models))
    return replace(spec, history=history, files=tuple(by_id[file.id] for file in spec.files))


def mode_of(session: ChatSession, request: TurnRequest) -> Mode:
    """Return the mode of a turn. Raises ValidationFailed and `room_goal_required`."""
    if session.room is None:
        if request.mode not in (None, DIRECT.key):
            raise ValidationFailed({"mode": [f"A session with one agent only has the mode '{DIRECT.key}'."]})
        return DIRECT
    mode = MODES.get(request.mode or session.room.mode)
    if mode is None or not mode.for_rooms:
        keys = ", ".join(key for key, _ in room_modes())
        raise ValidationFailed({"mode": [f"A room answers in one of {keys}."]})
    if mode.led and not session.room.goal.strip():
        raise PantheonError("room_goal_required", "The manager needs a goal: set one for the room.")
    return mode


def addressed_agents(
    mode: Mode, request: TurnRequest, keys: Sequence[str], *, untagged: Sequence[str], repeats: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the addressed agents, in order, and the unknown tags. Raises `no_valid_tagged_agents`.

    `untagged`: the agents to ask if there are no tags, in a mode that needs tags.
    """
    if mode.alone:
        return mode.order((), tuple(keys)), ()  # tags are not parsed here
    tags = parse_tags(request.message, keys)
    if request.only is not None and (mode.led or not repeats):
        return tuple(key for key in keys if key in request.only), tags.unknown
    if not mode.needs_tags:
        return mode.order(tags.keys, tuple(keys)), tags.unknown
    repeated = (key for key in request.only or () if key in keys and key not in tags.keys)
    addressed = (*tags.keys, *repeated) or tuple(untagged)
    if not addressed:
        raise PantheonError(
            "no_valid_tagged_agents",
            "Who should answer? Mention an agent, or @all.",
            {"agents": list(keys), "unknown_tags": list(tags.unknown)},
        )
    return mode.order(addressed, tuple(keys)), tags.unknown


def is_repeat(request: TurnRequest) -> bool:
    """Return whether a new version asks only some agents, with the old version's message, files and mode."""
    old = request.replaces
    if old is None or request.only is None or request.mode not in (None, old.mode):
        return False
    question = question_of_turn(old)
    return request.message == question.text and list(request.files) == question.files


def carried_answers(council: CouncilPlan, request: TurnRequest) -> tuple[CarriedAnswer, ...]:
    """Return the complete answers that a new version keeps: of agents still in the room that are not asked again."""
    old, only = request.replaces, request.only
    if old is None or only is None or council.mode.key != old.mode or not council.repeats:
        return ()
    keys = [agent.key for agent in council.roster if agent.key not in only]
    messages = Message.objects.filter(
        turn=old, role=Message.Role.AGENT, status=Message.Status.COMPLETE, agent_key__in=keys
    )
    return tuple(
        CarriedAnswer(str(uuid.uuid4()), message.agent_key, message.text, message.round or 1, message.model)
        for message in messages.order_by("seq")
    )


def instructions_before(council: CouncilPlan, request: TurnRequest) -> dict[str, str]:
    """Return agent key -> the manager's last instruction, for a new version that repeats the question."""
    old = request.replaces
    if not council.mode.led or old is None or not council.repeats:
        return {}
    selections = [selection for decided in old.routing for selection in decided["selections"]]
    instructions = {selection["agent_key"]: selection["instruction"] for selection in selections}
    return {**old.snapshot.get("instructions", {}), **instructions}


def limits_of(room: Room | None, request: TurnRequest, client: ClientContext | None = None) -> Limits:
    rounds = request.max_rounds or (room.max_rounds if room else 1)
    return Limits(
        max_rounds=max(1, min(rounds, settings.PANTHEON_MAX_ROUNDS)),
        max_selections=settings.PANTHEON_MAX_SELECTIONS,
        max_specialist_calls=settings.PANTHEON_MAX_SPECIALIST_CALLS,
        manager_max_tokens=settings.PANTHEON_MANAGER_MAX_TOKENS,
        summarizer_max_tokens=settings.PANTHEON_SUMMARIZER_MAX_TOKENS,
        always_synthesize=settings.PANTHEON_ALWAYS_SYNTHESIZE,
        speaker_guard=room is None or room.speaker_guard,
        answer_max_tokens=client.max_output_tokens if client else None,
        answer_temperature=client.temperature if client else None,
    )


def refuse_overflow(spec: TurnSpec) -> None:
    """Raise `context_overflow`, with both figures, for a message or a file of it that no pruning can make fit."""
    for agent in list_candidates(spec):
        needed, budget, model = least_message_input(spec, agent), most_input_of(agent), agent.model
        if needed > budget:
            instructions = least_message_input(replace(spec, message=""), agent)
            cure = (
                "Shorten it."
                if instructions < needed - instructions
                else "Shorten it, or the agent's instructions."
            )
            raise PantheonError(
                "context_overflow",
                f"This message needs about {needed:,} tokens with the instructions of @{agent.key}; {model.alias} "
                f"takes {budget:,}. {cure}",
                {"agent": agent.key, "model": model.alias, "needed_tokens": needed, "budget_tokens": budget},
            )
        for file in spec.files:
            if least_message_input(spec, agent, file) <= budget:
                continue
            # Of a text that is not loaded, this is a lower bound; the error has the exact figure.
            (whole,) = with_whole_texts([file], [file])
            exact = replace(spec, files=tuple(whole if each is file else each for each in spec.files))
            if (needed := least_message_input(exact, agent, whole)) > budget:
                raise file_overflow(exact, agent, whole, needed, budget)


def most_input_of(agent: AgentSpec) -> int:
    """Return an agent's input budget by the catalogue.

    A limit that a server once named may be outdated, and would never be tested again.
    """
    return window_of(replace(agent.model, served_window=None), agent.max_output_tokens).input_budget


def file_overflow(
    spec: TurnSpec, agent: AgentSpec, file: FileSpec, needed: int, budget: int
) -> PantheonError:
    """Return the error for a file that is too long for an agent, with the agents that could take it."""
    fitting = [
        other.key for other in spec.roster if least_message_input(spec, other, file) <= most_input_of(other)
    ]
    names = ", ".join(f"@{key}" for key in fitting)
    cure = f"Ask {names} instead, or attach a part of it." if fitting else "Attach a part of it."
    return PantheonError(
        "context_overflow",
        f"The file {file.name} needs about {needed:,} tokens with the message and the instructions of @{agent.key}; "
        f"{agent.model.alias} takes {budget:,}. {cure}",
        {
            "file": {"id": file.id, "name": file.name},
            "agent": agent.key,
            "model": agent.model.alias,
            "needed_tokens": needed,
            "budget_tokens": budget,
            "agents_that_fit": fitting,
        },
    )
