"""Fork a session: the same history up to a turn, from where it goes on differently, at no cost."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from itertools import count

from django.db import transaction
from django.db.models import Count, Sum, TextField
from django.db.models.functions import Cast, Length

from accounts.models import User
from orchestration.engine.summary import FIELDS
from sessions.models import ChatSession, Message, Summary, Turn
from sessions.models.turn import TurnQuerySet
from sessions.selectors.portions import message_portions, portions
from web.errors import ValidationFailed

MAX_CHARS = 40_000_000
"""The most that a fork copies: texts, their HTML, and the snapshots of turns."""

MAX_ROWS = 5_000
"""The most turns and messages that a fork copies. They take a second or so, as the characters do."""

COPIED_CHARS = Length("text") + Length("html")
SNAPSHOT_CHARS = Length(Cast("snapshot", TextField()))

Sized = Sequence[tuple[uuid.UUID, int]]
"""The ids of turns, each with the characters of its snapshot."""


def session_fork(*, user: User, session: ChatSession, after_turn: int) -> ChatSession:
    """Copy a session's turns up to an index (0: none), without replaced versions, calls or costs.

    Turns and messages are numbered anew. Raises ValidationFailed for a turn that does not exist or still runs, and for
    a history that is too long: the copy is one transaction, so that nobody ever sees a part of it, and SQLite has one
    writer.
    """
    turns = Turn.objects.spoken().filter(session=session, index__lte=after_turn, replaced_by__isnull=True)
    if after_turn and not turns.filter(index=after_turn).exists():
        raise refusal("This session has no such turn, or it has been replaced.")
    if turns.active().exists():
        raise refusal("This turn is still running.")
    sized = list(turns.order_by("index").annotate(size=SNAPSHOT_CHARS).values_list("pk", "size"))
    refuse_too_long(turns, sized)
    return copy_session(user, session, sized)


def refusal(reason: str) -> ValidationFailed:
    return ValidationFailed({"after_turn": [reason]})


def refuse_too_long(turns: TurnQuerySet, sized: Sized) -> None:
    """Raise ValidationFailed for what would take long to copy. Only reads: no writer waits for it."""
    said = Message.objects.filter(turn__in=turns).aggregate(rows=Count("pk"), chars=Sum(COPIED_CHARS))
    chars = (said["chars"] or 0) + sum(size for _, size in sized)
    if said["rows"] + len(sized) > MAX_ROWS or chars > MAX_CHARS:
        raise refusal(
            "What was said up to this turn is too long to copy. Choose an earlier turn, or begin a new session."
        )


@transaction.atomic(durable=True)
def copy_session(user: User, session: ChatSession, sized: Sized) -> ChatSession:
    """Copy turns, given in order, with their messages and the summary of them."""
    title = f"Branch of {session.title}"[:200] if session.title else ""  # the first message is to name it
    fork = ChatSession.objects.create(owner=user, room=session.room, agent=session.agent, title=title)
    indexes, seqs = count(1), count(1)
    renumbered: dict[int, int] = {}
    for ids in portions(sized):
        turns = Turn.objects.filter(pk__in=ids).order_by("index")
        copies = {turn.pk: copy_of(turn, fork, next(indexes)) for turn in turns}
        Turn.objects.bulk_create(copies.values())
        for messages in message_portions(Message.objects.defer(None).filter(turn_id__in=ids), COPIED_CHARS):
            for message in messages:
                message.pk = uuid.uuid4()
                message.session = fork
                message.turn = copies[message.turn_id]
                renumbered[message.seq] = seq = next(seqs)
                message.seq = seq
                message._state.adding = True
            Message.objects.bulk_create(messages)
    fork_summary(session, fork, renumbered)
    return fork


def copy_of(turn: Turn, fork: ChatSession, index: int) -> Turn:
    """Return an unsaved copy: what was asked and how it ended, without key, claim or events."""
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
    """Copy the newest summary that lies within the copied part (inside a transaction)."""
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
        **lists,
    )
