"""Accept a turn: everything that can be refused is refused here, before anything is stored or sent."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import partial

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from accounts.models import ApiToken, User
from orchestration.engine.context import least_input, window_of
from orchestration.engine.specs import TurnSpec
from orchestration.engine.tags import parse_tags
from pantheon.errors import PantheonError, ValidationFailed
from sessions.dispatch import dispatch
from sessions.models import Agent, ChatSession, Message, Room, Turn
from sessions.services.chats import title_from
from sessions.services.snapshot import agent_specs, snapshot_of

IDEMPOTENCY_KEPT = dt.timedelta(hours=24)
REDISPATCH_AFTER = dt.timedelta(seconds=5)
"""A turn that no runner has claimed by then is dispatched again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequest:
    """What a user asks for."""

    message: str
    mode: str | None = None
    max_rounds: int | None = None
    index: int | None = None
    """The index that the new turn is expected to get."""
    idempotency_key: str | None = None
    digest: str = ""
    """SHA-256 of the request, by which a repeated key is told from a misused one."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A turn that will run, or (`replayed`) that an earlier request of the same key made."""

    turn: Turn
    replayed: bool


def turn_accept(
    *, user: User, session: ChatSession, request: TurnRequest, token: ApiToken | None = None
) -> Accepted:
    """Accept a turn and have it dispatched once it is committed.

    Checked in this order: a known idempotency key, an index that is not the next, what the message asks for, an
    active turn. The last two clashes are found by the database's constraints, so of two requests at once exactly
    one wins. Raises `turn_conflict`, `turn_in_progress`, `idempotency_mismatch` and the 422 codes.
    """
    expected = None
    try:
        known = turn_of_key(user, request)
        if known is not None:
            return Accepted(known, replayed=True)
        expected = next_index(session)
        return Accepted(_accept(user, session, request, token, expected), replayed=False)
    except IntegrityError:
        known = turn_of_key(user, request)
        if known is not None:
            return Accepted(known, replayed=True)
        refuse_wrong_index(request, next_index(session))
        if session.turns.active().exists() or next_index(session) != expected:
            raise PantheonError(
                "turn_in_progress", "A turn of this session is still running. Wait for it or cancel it."
            ) from None
        raise


@transaction.atomic(durable=True)
def _accept(
    user: User, session: ChatSession, request: TurnRequest, token: ApiToken | None, index: int
) -> Turn:
    refuse_wrong_index(request, index)
    before_seq = (session.messages.aggregate(last=Max("seq"))["last"] or 0) + 1
    spec, unknown_tags = plan_turn(session, request, index=index, before_seq=before_seq)
    turn = Turn(
        session=session,
        user=user,
        token_id=token.pk if token else None,
        index=index,
        mode=spec.mode,
        unknown_tags=list(unknown_tags),
        snapshot=snapshot_of(spec, session=session, user=user, before_seq=before_seq),
        idempotency_key=request.idempotency_key,
        request_digest=request.digest,
        dispatch_after=timezone.now() + REDISPATCH_AFTER,
    )
    turn.save(force_insert=True)
    Message.objects.create(
        session=session, turn=turn, seq=before_seq, role=Message.Role.USER, text=request.message
    )
    session.title = session.title or title_from(request.message)
    session.updated_at = turn.created_at
    session.save(update_fields=["title", "updated_at"])
    transaction.on_commit(partial(dispatch, turn.pk))
    return turn


def turn_of_key(user: User, request: TurnRequest) -> Turn | None:
    """Return the turn that this key made; a key older than 24 h is freed. Raises `idempotency_mismatch`."""
    if request.idempotency_key is None:
        return None
    turn = (
        Turn.objects.filter(user=user, idempotency_key=request.idempotency_key)
        .select_related("session")
        .first()
    )
    if turn is None:
        return None
    if turn.created_at < timezone.now() - IDEMPOTENCY_KEPT and turn.is_final:
        Turn.objects.filter(pk=turn.pk).update(idempotency_key=None)
        return None
    if turn.request_digest != request.digest:
        raise PantheonError(
            "idempotency_mismatch", "This Idempotency-Key was used for another request. Use a new key."
        )
    return turn


def next_index(session: ChatSession) -> int:
    return (session.turns.aggregate(last=Max("index"))["last"] or 0) + 1


def refuse_wrong_index(request: TurnRequest, expected: int) -> None:
    if request.index is not None and request.index != expected:
        message = f"The next turn of this session is {expected}: reload to see what came in between."
        raise PantheonError("turn_conflict", message, {"expected": expected, "index": request.index})


def plan_turn(
    session: ChatSession, request: TurnRequest, *, index: int, before_seq: int
) -> tuple[TurnSpec, tuple[str, ...]]:
    """Return the spec of a turn and the tags that name nobody (inside a transaction). Raises the 422 codes."""
    mode, agents = council_of(session, request)
    addressed: tuple[str, ...] = tuple(agent.key for agent in agents)
    unknown: tuple[str, ...] = ()
    if mode == Turn.Mode.MANUAL:
        tags = parse_tags(request.message, addressed)
        if not tags.keys:
            raise PantheonError(
                "no_valid_tagged_agents",
                "Say who is asked: tag an agent, or @all.",
                {"agents": list(addressed), "unknown_tags": list(tags.unknown)},
            )
        addressed, unknown = tags.keys, tags.unknown
    spec = TurnSpec(
        turn_id="",
        session_id=str(session.pk),
        index=index,
        mode=mode,
        message=request.message,
        roster=agent_specs(agents),
        addressed=addressed,
        room_name=session.room.name if session.room else "",
        goal=session.room.goal if session.room else "",
    )
    refuse_overflow(spec)
    return spec, unknown


def council_of(session: ChatSession, request: TurnRequest) -> tuple[str, list[Agent]]:
    """Return the mode of a turn and the agents that sit in it, in room order. Raises the 422 codes."""
    with_models = Agent.objects.alive().select_related("model__provider")
    if session.room is None:
        if request.mode not in (None, Turn.Mode.DIRECT):
            raise ValidationFailed({"mode": ["A session with one agent has the mode 'direct' alone."]})
        agents = list(with_models.filter(chat_sessions=session))
        if not agents:
            raise PantheonError(
                "no_room_agents", "This agent has been deleted. Start a session with another one."
            )
        return Turn.Mode.DIRECT, agents
    mode = request.mode or session.room.mode
    if mode != Room.Mode.MANUAL:
        raise ValidationFailed({"mode": ["Rooms answer in the mode 'manual'."]})
    agents = list(with_models.filter(places__room=session.room).order_by("places__position"))
    if not agents:
        raise PantheonError("no_room_agents", "Nobody sits in this room yet. Add an agent first.")
    return mode, agents


def refuse_overflow(spec: TurnSpec) -> None:
    """Refuse a message that no pruning can make fit. Raises `context_overflow` with both figures."""
    for key in spec.addressed:
        agent = spec.agent(key)
        needed, budget = least_input(spec, agent), window_of(agent.model).input_budget
        if needed > budget:
            raise PantheonError(
                "context_overflow",
                f"This message needs about {needed} tokens; @{key} on {agent.model.alias} takes {budget}. Shorten it.",
                {"agent": key, "needed_tokens": needed, "budget_tokens": budget},
            )
