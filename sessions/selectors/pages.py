"""What pages read: lists for home and the workspace, and the transcript a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Q, Sum

from accounts.models import User
from billing.corrections import corrected
from billing.models import UsageEvent
from orchestration.selectors import default_model
from pantheon.errors import PantheonError
from sessions.models import Agent, Call, ChatSession, Message, Room, Turn
from sessions.selectors.turns import grouped

RECENT_SESSIONS = 8
SESSIONS_LISTED = 100
MESSAGES_PER_PAGE = 50


def recent_sessions(user: User) -> Sequence[ChatSession]:
    """Return what a person talked about last."""
    sessions = ChatSession.objects.of(user).select_related("room", "agent")
    return list(sessions.order_by("-updated_at", "id")[:RECENT_SESSIONS])


def sessions_beside(session: ChatSession) -> Sequence[ChatSession]:
    """Return the sessions of the same room or agent, the latest first."""
    return sessions_of_place(room=session.room, agent=session.agent)


def sessions_of_place(*, room: Room | None = None, agent: Agent | None = None) -> Sequence[ChatSession]:
    sessions = ChatSession.objects.alive().filter(room=room, agent=agent)
    return list(sessions.order_by("-updated_at", "id")[:SESSIONS_LISTED])


def unused_session(*, room: Room | None = None, agent: Agent | None = None) -> ChatSession | None:
    """Return a session of this place in which nothing has been said, so that none piles up."""
    session: ChatSession | None = (
        ChatSession.objects.alive()
        .filter(room=room, agent=agent, turns__isnull=True)
        .order_by("-created_at")
        .first()
    )
    return session


def agents_of(user: User) -> Sequence[Agent]:
    """Return a person's agents by name, with their models."""
    return list(Agent.objects.of(user).select_related("model").order_by("name", "key"))


def agents_in(room: Room) -> Sequence[Agent]:
    """Return who sits in a room, in order, with their models."""
    return list(
        Agent.objects.alive().filter(places__room=room).select_related("model").order_by("places__position")
    )


def default_alias() -> str:
    """Return the alias of the instance's default model, empty where none is available."""
    try:
        return default_model().alias
    except PantheonError as error:
        if error.code != "model_unavailable":
            raise
        return ""


@dataclass(frozen=True, slots=True)
class TurnRows:
    """A turn and all rows that its part of the transcript is made of."""

    turn: Turn
    messages: Sequence[Message]
    calls: Sequence[Call]
    events: Sequence[UsageEvent]


def transcript_page(session: ChatSession, *, before: int | None = None) -> list[TurnRows]:
    """Return the newest whole turns before an index, about MESSAGES_PER_PAGE messages of them, oldest first."""
    messages = Message.objects.filter(session=session)
    turns = Turn.objects.filter(session=session).defer("snapshot")
    if before is not None:
        messages, turns = messages.filter(turn__index__lt=before), turns.filter(index__lt=before)
    edge = messages.order_by("-seq").values_list("turn__index", flat=True)[
        MESSAGES_PER_PAGE - 1 : MESSAGES_PER_PAGE
    ]
    first_index = next(iter(edge), 1)
    return turn_rows(list(turns.filter(index__gte=first_index).order_by("index")))


def turn_rows(turns: Sequence[Turn]) -> list[TurnRows]:
    """Read what belongs to turns, with three queries."""
    ids = [turn.pk for turn in turns]
    messages = grouped(Message.objects.filter(turn_id__in=ids).order_by("seq"))
    attempts = Call.objects.filter(turn_id__in=ids).select_related("model").order_by("number")
    calls = grouped(attempts.defer("text", "context", "usage"))
    billed = UsageEvent.objects.filter(turn_id__in=ids)
    events = grouped(corrected(billed.only("id", "turn_id", "cost_pico", "price", "corrects")))
    return [TurnRows(turn, messages[turn.pk], calls[turn.pk], events[turn.pk]) for turn in turns]


@dataclass(frozen=True, slots=True)
class SessionTotal:
    cost_pico: int | None
    """None where no call is priced."""
    unpriced_calls: int


def session_total(session: ChatSession) -> SessionTotal:
    """Return what a session has cost so far."""
    # By turn, which the ledger is indexed by.
    turns = Turn.objects.filter(session=session).values("pk")
    total = UsageEvent.objects.filter(turn_id__in=turns).aggregate(
        cost=Sum("cost_pico"),
        unpriced=Count("pk", filter=Q(cost_pico__isnull=True)),
        priced_later=Count("pk", filter=Q(corrects__isnull=False)),
        rows=Count("pk"),
    )
    cost = 0 if not total["rows"] else total["cost"]
    return SessionTotal(cost, total["unpriced"] - total["priced_later"])
