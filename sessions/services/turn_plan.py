"""Plan a turn: who sits in it, who is asked, what is summarized. All that a request's content is refused for."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.conf import settings
from django.db.models import UUIDField

from orchestration.engine.context import full_input, least_input, window_of
from orchestration.engine.modes import DIRECT, MODES, Mode
from orchestration.engine.specs import AgentSpec, CarriedAnswer, Limits, SummaryPlan, TurnSpec
from orchestration.engine.tags import parse_tags
from sessions.models import Agent, ChatSession, Message, Room, Turn
from sessions.models.modes import room_modes
from sessions.selectors.calibration import calibrations
from sessions.selectors.ends import SessionEnd
from sessions.selectors.summaries import newest_summary, summary_spec
from sessions.services.client_context import answering_as, client_from, client_lines
from sessions.services.snapshot import (
    agent_specs,
    history_of,
    manager_spec,
    summarizer_spec,
    verbatim_from_seq,
)
from sessions.services.turn_request import ClientContext, TurnRequest
from web.compiled import CompiledQuery, Slot
from web.errors import PantheonError, ValidationFailed

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


@dataclass(frozen=True, slots=True)
class Plan:
    """A turn that can be accepted."""

    spec: TurnSpec
    unknown_tags: tuple[str, ...]
    summary_id: uuid.UUID | None
    client: ClientContext | None = None
    redone_summary_id: uuid.UUID | None = None
    """The summary in whose place a new one comes."""


def plan_turn(session: ChatSession, request: TurnRequest, end: SessionEnd) -> Plan:
    """Return the plan of a turn after `end` (inside a transaction). Raises the 422 codes."""
    mode = mode_of(session, request)
    agents = agents_of(session)
    keys = [agent.key for agent in agents]
    client = request.client or client_from(end.client)
    asks_all = session.origin == ChatSession.Origin.API
    addressed, unknown = addressed_by(mode, request, keys, untagged=keys if asks_all else ())
    carried = carried_answers(mode, request, keys) if request.replaces is not None else ()
    counts = calibrations(session.owner_id)
    roster = answering_as(client, agent_specs(agents, calibrations=counts, asked_on=request.model))
    room = session.room
    newest = newest_summary(session.pk) if end.has_summary else None
    spec = TurnSpec(
        turn_id="",
        session_id=str(session.pk),
        index=end.index + 1,
        mode=mode,
        message=request.message,
        roster=roster,
        addressed=addressed,
        room_name=room.name if room else "",
        goal=room.goal if room else "",
        manager=manager_spec(room, roster, counts) if room and mode.concluded else None,
        limits=limits_of(room, request, client),
        carried=carried,
        instructions=instructions_before(mode, request),
        history=(
            *client_lines(client, mode, roster, room.name if room else ""),
            *history_of(
                session.pk,
                after_seq=newest.through_seq if newest else 0,
                before_seq=end.seq + 1,
                without=request.replaces,
            ),
        ),
        client_system=client.system if client else "",
        summary=summary_spec(newest) if newest else None,
    )
    refuse_overflow(spec)
    summarize = summary_plan(spec)
    if summarize is not None:
        spec = replace(spec, summarize=summarize, summarizer=summarizer_spec(roster, counts))
    return Plan(spec, unknown, newest.pk if newest else None, client)


def mode_of(session: ChatSession, request: TurnRequest) -> Mode:
    """Return the mode of a turn. Raises ValidationFailed and `room_goal_required`."""
    if session.room is None:
        if request.mode not in (None, DIRECT.key):
            raise ValidationFailed({"mode": [f"A session with one agent has the mode '{DIRECT.key}' alone."]})
        return DIRECT
    mode = MODES.get(request.mode or session.room.mode)
    if mode is None or not mode.for_rooms:
        keys = ", ".join(key for key, _ in room_modes())
        raise ValidationFailed({"mode": [f"A room answers in one of {keys}."]})
    if mode.led and not session.room.goal.strip():
        raise PantheonError("room_goal_required", "The manager needs to know what for: give the room a goal.")
    return mode


def agents_of(session: ChatSession) -> list[Agent]:
    """Return the agents that sit in a session, in room order. Raises `no_room_agents`."""
    if session.room_id is None:
        agents = AGENT(agent_id=session.agent_id)
    else:
        agents = AGENTS_OF_ROOM(room_id=session.room_id)
    if not agents:
        message = "Nobody sits in this room yet. Add an agent first."
        if session.room_id is None:
            message = "This agent has been deleted. Start a session with another one."
        raise PantheonError("no_room_agents", message)
    return agents


def addressed_by(
    mode: Mode, request: TurnRequest, keys: Sequence[str], untagged: Sequence[str] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return whom a turn asks, in order, and the tags that name nobody. Raises `no_valid_tagged_agents`.

    `untagged`: who is asked where no tag says, in a mode that needs tags.
    """
    if mode.alone:
        return mode.order((), tuple(keys)), ()  # what looks like a tag is none
    tags = parse_tags(request.message, keys)
    if request.only is not None and (mode.led or not keeps_question(request)):
        return tuple(key for key in keys if key in request.only), tags.unknown
    if not mode.needs_tags:
        return mode.order(tags.keys, tuple(keys)), tags.unknown
    again = (key for key in request.only or () if key in keys and key not in tags.keys)
    named = (*tags.keys, *again) or tuple(untagged)
    if not named:
        raise PantheonError(
            "no_valid_tagged_agents",
            "Say who is asked: tag an agent, or @all.",
            {"agents": list(keys), "unknown_tags": list(tags.unknown)},
        )
    return mode.order(named, tuple(keys)), tags.unknown


def keeps_question(request: TurnRequest) -> bool:
    """Tell whether a new version asks the same in the same mode, so that good answers still fit."""
    old = request.replaces
    if old is None:
        return False
    same_mode = request.mode in (None, old.mode)
    return same_mode and request.message == message_of_turn(old)


def message_of_turn(turn: Turn) -> str:
    return Message.objects.get(turn=turn, role=Message.Role.USER).text


def carried_answers(mode: Mode, request: TurnRequest, keys: Sequence[str]) -> tuple[CarriedAnswer, ...]:
    """Return the good answers that a new version keeps: of agents still in the room that are not asked again."""
    old = request.replaces
    if old is None or request.only is None or mode.key != old.mode or not keeps_question(request):
        return ()
    good = Message.objects.filter(
        turn=old, role=Message.Role.AGENT, status=Message.Status.COMPLETE, agent_key__in=keys
    ).exclude(agent_key__in=request.only)
    return tuple(
        CarriedAnswer(str(uuid.uuid4()), message.agent_key, message.text, message.round or 1, message.model)
        for message in good.order_by("seq")
    )


def instructions_before(mode: Mode, request: TurnRequest) -> dict[str, str]:
    """Return agent key -> what the manager last asked of it in the turn that a new version asks the same of again."""
    old = request.replaces
    if not mode.led or old is None or request.only is None or not keeps_question(request):
        return {}
    chosen = [selection for decided in old.routing for selection in decided["selections"]]
    had = {selection["agent_key"]: selection["instruction"] for selection in chosen}
    return {**old.snapshot.get("instructions", {}), **had}


def limits_of(room: Room | None, request: TurnRequest, client: ClientContext | None = None) -> Limits:
    rounds = request.max_rounds or (room.max_rounds if room else 1)
    return Limits(
        max_rounds=max(1, min(rounds, settings.PANTHEON_MAX_ROUNDS)),
        max_selections=settings.PANTHEON_MAX_SELECTIONS,
        max_specialist_calls=settings.PANTHEON_MAX_SPECIALIST_CALLS,
        manager_max_tokens=settings.PANTHEON_MANAGER_MAX_TOKENS,
        summarizer_max_tokens=settings.PANTHEON_SUMMARIZER_MAX_TOKENS,
        always_synthesize=settings.PANTHEON_ALWAYS_SYNTHESIZE,
        answer_max_tokens=client.max_output_tokens if client else None,
        answer_temperature=client.temperature if client else None,
    )


def may_be_called(spec: TurnSpec) -> list[AgentSpec]:
    return [spec.agent(key) for key in spec.addressed] or list(spec.roster)


def refuse_overflow(spec: TurnSpec) -> None:
    """Refuse a message that no pruning can make fit. Raises `context_overflow` with both figures."""
    for agent in may_be_called(spec):
        needed, budget = (
            least_input(spec, agent),
            window_of(agent.model, agent.max_output_tokens).input_budget,
        )
        if needed > budget:
            raise PantheonError(
                "context_overflow",
                f"This message needs about {needed} tokens; @{agent.key} on {agent.model.alias} takes {budget}. "
                "Shorten it.",
                {"agent": agent.key, "needed_tokens": needed, "budget_tokens": budget},
            )


def summary_plan(spec: TurnSpec) -> SummaryPlan | None:
    """Return what is to be summarized in this turn, None where nothing is due.

    Due with 70 % of an agent's budget used, or 40 turns since the last summary; the newest turns stay verbatim.
    """
    lines = [line for line in spec.history if line.seq > 0]  # what a client sent, it keeps itself
    verbatim_seq, turns = verbatim_from_seq(lines)
    through = [line.seq for line in lines if line.seq < verbatim_seq]
    if not through:
        return None
    used = [
        full_input(spec, agent) / window_of(agent.model, agent.max_output_tokens).input_budget
        for agent in may_be_called(spec)
    ]
    if max(used) < settings.PANTHEON_SUMMARY_TRIGGER and turns < settings.PANTHEON_SUMMARY_EVERY_TURNS:
        return None
    return SummaryPlan(through_seq=through[-1], first=max(used) > 1)
