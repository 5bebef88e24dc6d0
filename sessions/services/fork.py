"""Fork a session: copy its history up to a turn into a new session, at no cost."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count

from django.db import connection, transaction
from django.db.models import Sum, TextField
from django.db.models.functions import Cast, Length

from accounts.models import User
from orchestration.engine.summary import FIELDS
from sessions.models import ChatSession, Message, MessageFile, Summary, Turn
from sessions.models.turn import TurnQuerySet
from sessions.selectors.portions import message_portions, portions
from web.errors import RateLimited, ValidationFailed

MAX_CHARS = 4_000_000
"""Maximum characters that a fork copies: texts, their HTML, and turns' snapshots. PostgreSQL indexes the copies too."""

MAX_ROWS = 2_000
"""Maximum turns and messages that a fork copies."""

FORKS_LOCK = 1_870_203_642
"""PostgreSQL's advisory lock number for forks; the second number of the lock is the person's."""

RETRY_S = 5
"""The pause that the error names if another fork of the person is running."""

COPIED_CHARS = Length("text") + Length("html")
SNAPSHOT_CHARS = Length(Cast("snapshot", TextField()))

TurnSizes = Sequence[tuple[uuid.UUID, int]]
"""Ids of turns, each with the characters of its snapshot."""


def session_fork(*, user: User, session: ChatSession, after_turn: int) -> ChatSession:
    """Copy a session's turns up to an index (0: none), without replaced versions, calls or costs.

    Turns and messages get new numbers. Raises ValidationFailed for a turn that does not exist or still runs, and for
    a history that is too long: the copy is one transaction, so that no reader sees a part of it, and SQLite has one
    writer. Raises `rate_limited` while another fork of this person is running.
    """
    with fork_lock(user):
        return session_copy_checked(user, session, after_turn)


@contextmanager
def fork_lock(user: User) -> Iterator[None]:
    """Allow one fork per person at a time. Raises `rate_limited`.

    On PostgreSQL the lock is held until the transaction ends. SQLite needs no lock, because it has one writer, and no
    transaction here, so that other writers wait only for the copy itself.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:  # the ORM has no advisory locks
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [FORKS_LOCK, user.pk.int % 2**31])
            (is_only,) = cursor.fetchone()
        if not is_only:
            raise RateLimited("Another session of yours is being copied.", RETRY_S)
        yield


def session_copy_checked(user: User, session: ChatSession, after_turn: int) -> ChatSession:
    """Copy a session up to a turn, if that is allowed. Raises ValidationFailed."""
    turns = Turn.objects.spoken().filter(session=session, index__lte=after_turn, replaced_by__isnull=True)
    if after_turn and not turns.filter(index=after_turn).exists():
        raise refusal("This session has no such turn, or the turn has been replaced.")
    if turns.active().exists():
        raise refusal("This turn is still running.")
    return session_copy(user, session, list_turn_sizes(turns))


def refusal(reason: str) -> ValidationFailed:
    return ValidationFailed({"after_turn": [reason]})


def list_turn_sizes(turns: TurnQuerySet) -> TurnSizes:
    """Return turns in order, with their sizes. Raises ValidationFailed if copying them would take too long.

    Rows are counted first, because measuring a text means reading it.
    """
    too_long = refusal(
        "The session up to this turn is too long to copy. Choose an earlier turn, or create a new session."
    )
    messages = Message.objects.filter(turn__in=turns)
    if turns.count() + messages.count() > MAX_ROWS:
        raise too_long
    sizes = list(turns.order_by("index").annotate(size=SNAPSHOT_CHARS).values_list("pk", "size"))
    chars = messages.aggregate(chars=Sum(COPIED_CHARS))["chars"] or 0
    if chars + sum(size for _, size in sizes) > MAX_CHARS:
        raise too_long
    return sizes


@transaction.atomic
def session_copy(user: User, session: ChatSession, sizes: TurnSizes) -> ChatSession:
    """Copy turns, given in order, with their messages and summary."""
    title = f"Branch of {session.title}"[:200] if session.title else ""  # if empty, the first message sets it
    fork = ChatSession.objects.create(owner=user, room=session.room, agent=session.agent, title=title)
    indexes, seqs = count(1), count(1)
    renumbered: dict[int, int] = {}
    for ids in portions(sizes):
        turns = Turn.objects.filter(pk__in=ids).order_by("index")
        copies = {turn.pk: copy_of(turn, fork, next(indexes)) for turn in turns}
        Turn.objects.bulk_create(copies.values())
        for messages in message_portions(
            Message.objects.defer(None).defer("search_text").filter(turn_id__in=ids), COPIED_CHARS
        ):
            forked: dict[uuid.UUID, Message] = {}
            for message in messages:
                forked[message.pk] = message
                message.pk = uuid.uuid4()
                message.session = fork
                message.turn = copies[message.turn_id]
                renumbered[message.seq] = seq = next(seqs)
                message.seq = seq
                message._state.adding = True
            Message.objects.bulk_create(messages)
            fork_files(forked)
    fork_summary(session, fork, renumbered)
    return fork


def fork_files(forked: dict[uuid.UUID, Message]) -> None:
    """Let copies of messages bring the same files. `forked`: a message's id -> its copy."""
    brought = MessageFile.objects.filter(message__in=list(forked))
    MessageFile.objects.bulk_create(
        MessageFile(message=forked[row.message_id], file_id=row.file_id, position=row.position)
        for row in brought
    )


def copy_of(turn: Turn, fork: ChatSession, index: int) -> Turn:
    """Return an unsaved copy: the request and the result, without key, claim or events."""
    return Turn(
        session=fork,
        user=fork.owner,
        index=index,
        mode=turn.mode,
        status=turn.status,
        stop_reason=turn.stop_reason,
        unknown_tags=turn.unknown_tags,
        snapshot={**turn.snapshot, "summarize": None},
        routing=turn.routing,
        error=turn.error,
        created_at=turn.created_at,
        completed_at=turn.completed_at,
        last_event_seq=1,
    )


def fork_summary(session: ChatSession, fork: ChatSession, seqs: dict[int, int]) -> None:
    """Copy the newest summary within the copied part (inside a transaction)."""
    last = max(seqs, default=0)
    summary = Summary.objects.filter(session=session, through_seq__lte=last).order_by("-through_seq").first()
    if summary is None:
        return
    covered = [seq for seq in seqs if seq <= summary.through_seq]
    lists = {
        field: [{**item, "message_seq": seqs.get(item["message_seq"])} for item in getattr(summary, field)]
        for field in FIELDS
    }
    Summary.objects.create(
        session=fork,
        from_seq=min(seqs[seq] for seq in covered),
        through_seq=max(seqs[seq] for seq in covered),
        text=summary.text,
        used_fallback=summary.used_fallback,
        fallback_reason=summary.fallback_reason,
        **lists,
    )
