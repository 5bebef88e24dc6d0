"""Reads for pages: lists for home and the workspace, and the transcript a page at a time."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q, Subquery, Sum

from accounts.models import User
from billing.models import UsageEvent
from billing.models.bucket_columns import RATES, TOKENS
from billing.reports.corrections import with_corrections
from billing.selectors.answered import has_answered
from orchestration.engine.modes import SUMMARY
from orchestration.selectors import default_model
from sessions.models import Agent, Call, ChatSession, Message, Room, Summary, Turn
from sessions.selectors.message_files import list_with_files
from sessions.selectors.turns import grouped
from web.errors import PantheonError

RECENT_SESSIONS = 8
SESSIONS_LISTED = 50
ALL_SESSIONS_LISTED = 1_000
MESSAGES_PER_PAGE = 20
"""Two screens of answers: the page of a long session takes no longer than that of a short one."""
RECEIPT_FIELDS = (
    *("cost_pico", "cost_before_pico", "corrections_before"),
    "source",
    *TOKENS,
    *(f"price__{rate}" for rate in RATES),
)


def recent_sessions(user: User) -> Sequence[ChatSession]:
    """Return a person's latest sessions."""
    sessions = ChatSession.objects.of(user).listed().select_related("room", "agent")
    return list(sessions.order_by("-updated_at", "id")[:RECENT_SESSIONS])


@dataclass(frozen=True, slots=True)
class SessionList:
    """Sessions, the latest first."""

    shown: Sequence[ChatSession]
    more: bool
    """There are sessions that are not shown."""


def sessions_of_agent(agent: Agent, *, every: bool = False) -> SessionList:
    """Return the newest sessions with an agent alone, or all of them up to a limit."""
    limit = ALL_SESSIONS_LISTED if every else SESSIONS_LISTED
    sessions = ChatSession.objects.alive().listed().filter(agent=agent)
    found = list(sessions.order_by("-updated_at", "id")[: limit + 1])
    return SessionList(found[:limit], len(found) > limit)


def latest_session(room: Room) -> ChatSession | None:
    """Return the session of a room that was used last."""
    sessions = ChatSession.objects.alive().listed().filter(room=room)
    latest: ChatSession | None = sessions.order_by("-updated_at", "id").first()
    return latest


def unused_session(*, room: Room | None = None, agent: Agent | None = None) -> ChatSession | None:
    """Return an untouched session of this room or agent, so that empty ones do not accumulate.

    A session with a title is in use: the user named it, or it is a fork for a new question.
    """
    session: ChatSession | None = (
        ChatSession.objects.alive()
        .listed()
        .filter(room=room, agent=agent, title="", turns__isnull=True)
        .order_by("-created_at")
        .first()
    )
    return session


def agents_of(user: User) -> Sequence[Agent]:
    """Return a person's agents by name, with their models and without their prompts, which lists do not show.

    Up to the maximum per person. Who has more, from before there was one, sees the others after deleting some.
    """
    agents = Agent.objects.of(user).select_related("model").defer("role_prompt")
    return list(agents.order_by("name", "key")[: Agent.MOST_PER_PERSON])


def agents_in(room: Room) -> Sequence[Agent]:
    """Return a room's agents in order, with their models."""
    return list(
        Agent.objects.alive().filter(places__room=room).select_related("model").order_by("places__position")
    )


def default_alias() -> str:
    """Return the alias of the instance's default model, empty if none is available."""
    try:
        return default_model(has_answered).alias
    except PantheonError as error:
        if error.code != "model_unavailable":
            raise
        return ""


@dataclass(frozen=True, slots=True)
class TurnRows:
    """A turn and all rows that its part of the transcript is built from."""

    turn: Turn
    messages: Sequence[Message]
    calls: Sequence[Call]
    events: Sequence[UsageEvent]
    versions: Sequence[uuid.UUID]
    """The turn, those it replaces and those that replace it, oldest first."""


@dataclass(frozen=True, slots=True)
class TranscriptPage:
    turns: Sequence[TurnRows]
    older_before: int | None
    """The index before which older turns are, None if there are none."""
    older_index: int | None
    """The index of the newest of them."""


def transcript_page(session: ChatSession, *, before: int | None = None) -> TranscriptPage:
    """Return the newest whole turns before an index, about MESSAGES_PER_PAGE messages, oldest first.

    Replaced turns are left out: they are shown as versions of the turns that replace them.
    """
    messages = Message.objects.filter(session=session, turn__replaced_by__isnull=True)
    newest_versions = Turn.objects.spoken().filter(session=session, replaced_by__isnull=True)
    previous_index = (
        newest_versions.filter(index__lt=OuterRef("index")).order_by("-index").values("index")[:1]
    )
    turns = newest_versions.annotate(older_index=Subquery(previous_index)).defer("snapshot")
    if before is not None:
        messages, turns = messages.filter(turn__index__lt=before), turns.filter(index__lt=before)
    edge = messages.order_by("-seq").values_list("turn__index", flat=True)[
        MESSAGES_PER_PAGE - 1 : MESSAGES_PER_PAGE
    ]
    page = list(turns.filter(index__gte=next(iter(edge), 1)).order_by("index"))
    older_index = page[0].older_index if page else None
    older_before = page[0].index if older_index is not None else None
    return TranscriptPage(turn_rows(page), older_before, older_index)


def turn_rows(turns: Sequence[Turn]) -> list[TurnRows]:
    """Read the rows of a session's turns, with four queries, and one more if messages brought files."""
    ids = [turn.pk for turn in turns]
    stored = Message.objects.defer(None).defer("search_text").filter(turn_id__in=ids)
    messages = grouped(list_with_files(stored.order_by("seq")))
    attempts = Call.objects.filter(turn_id__in=ids).select_related("model").order_by("number")
    calls = grouped(attempts.defer("text", "usage"))
    usage_events = UsageEvent.objects.filter(turn_id__in=ids).select_related("price")
    events = grouped(with_corrections(usage_events.only("turn_id", "price", "corrects", *RECEIPT_FIELDS)))
    versions = versions_of(turns)
    return [
        TurnRows(turn, messages[turn.pk], calls[turn.pk], events[turn.pk], versions[turn.pk])
        for turn in turns
    ]


def versions_of(turns: Sequence[Turn]) -> dict[uuid.UUID, list[uuid.UUID]]:
    """Return, for each turn of a session, its chain of versions. Only the newest is ever replaced."""
    sessions = {turn.session_id for turn in turns}
    pairs = Turn.objects.filter(session_id__in=sessions, replaces__isnull=False).values_list(
        "replaces_id", "pk"
    )
    later = {old: new for old, new in pairs if old is not None}
    earlier = {new: old for old, new in later.items()}
    chains = {}
    for turn in turns:
        first = turn.pk
        while first in earlier:
            first = earlier[first]
        chain = [first]
        while chain[-1] in later:
            chain.append(later[chain[-1]])
        chains[turn.pk] = chain
    return chains


def is_newest(turn: Turn) -> bool:
    """Return whether a turn is the last of its session, so that it can be run again."""
    return not Turn.objects.spoken().filter(session_id=turn.session_id, index__gt=turn.index).exists()


def is_replaced(turn: Turn) -> bool:
    """Return whether a turn is an earlier version of another."""
    return Turn.objects.filter(replaces=turn).exists()


def is_on_newest_page(turn: Turn) -> bool:
    """Return whether a session's page without `?before=` contains this turn; see `transcript_page`."""
    later = Message.objects.filter(
        session_id=turn.session_id, turn__replaced_by__isnull=True, turn__index__gt=turn.index
    )
    return not later.order_by("-seq")[MESSAGES_PER_PAGE - 1 : MESSAGES_PER_PAGE].exists()


def summarizing_turn(session: ChatSession) -> uuid.UUID | None:
    """Return the turn that is summarizing this session now, if any."""
    running = Turn.objects.active().filter(session=session, mode=SUMMARY.key)
    return running.values_list("pk", flat=True).first()


def has_summary(turn: Turn) -> bool:
    """Return whether a turn created a summary."""
    return Summary.objects.filter(turn=turn).exists()


@dataclass(frozen=True, slots=True)
class SourceMessage:
    """The position of a message."""

    message: Message
    replaced: bool
    """Its turn is an earlier version of another."""


def sources_by_seq(session: ChatSession, seqs: Collection[int]) -> dict[int, SourceMessage]:
    """Return a session's messages by seq, with their turns."""
    if not seqs:
        return {}
    replaced = Exists(Turn.objects.filter(replaces=OuterRef("turn")))
    messages = Message.objects.filter(session=session, seq__in=seqs).select_related("turn")
    rows = messages.annotate(replaced=replaced).defer("text", "turn__snapshot", "turn__routing")
    return {row.seq: SourceMessage(row, row.replaced) for row in rows}


@dataclass(frozen=True, slots=True)
class SessionTotal:
    cost_pico: int | None
    """None if no call is priced."""
    unpriced_calls: int


def session_total(session: ChatSession) -> SessionTotal:
    """Return a session's cost so far."""
    # By turn, since the ledger has an index on it.
    turns = Turn.objects.filter(session=session).values("pk")
    total = UsageEvent.objects.filter(turn_id__in=turns).aggregate(
        cost=Sum("cost_pico"),
        unpriced=Count("pk", filter=Q(cost_pico__isnull=True)),
        priced_later=Count("pk", filter=Q(corrects__isnull=False, cost_before_pico__isnull=True)),
        rows=Count("pk"),
    )
    cost = 0 if not total["rows"] else total["cost"]
    return SessionTotal(cost, total["unpriced"] - total["priced_later"])
