"""Fork a session: the same history up to a turn, from where it goes on differently, at no cost."""

from __future__ import annotations

import uuid

from django.db import transaction

from accounts.models import User
from orchestration.engine.summary import FIELDS
from sessions.models import ChatSession, Message, Summary, Turn
from web.errors import ValidationFailed


@transaction.atomic(durable=True)
def session_fork(*, user: User, session: ChatSession, after_turn: int) -> ChatSession:
    """Copy a session's turns up to an index (0: none), without replaced versions, calls or costs.

    Turns and messages are numbered anew. Raises ValidationFailed for a turn that does not exist or still runs.
    """
    kept = Turn.objects.spoken().filter(session=session, index__lte=after_turn, replaced_by__isnull=True)
    turns = list(kept.order_by("index"))
    if after_turn and not any(turn.index == after_turn for turn in turns):
        raise ValidationFailed({"after_turn": ["This session has no such turn, or it has been replaced."]})
    if any(not turn.is_final for turn in turns):
        raise ValidationFailed({"after_turn": ["This turn is still running."]})
    title = f"Branch of {session.title}"[:200] if session.title else ""  # the first message is to name it
    fork = ChatSession.objects.create(owner=user, room=session.room, agent=session.agent, title=title)
    copies = {turn.pk: copy_of(turn, fork, index) for index, turn in enumerate(turns, start=1)}
    Turn.objects.bulk_create(copies.values())
    messages = list(Message.objects.defer(None).filter(turn_id__in=copies).order_by("seq"))
    seqs = {message.seq: seq for seq, message in enumerate(messages, start=1)}
    for message in messages:
        message.pk = uuid.uuid4()
        message.session = fork
        message.turn = copies[message.turn_id]
        message.seq = seqs[message.seq]
        message._state.adding = True
    Message.objects.bulk_create(messages)
    fork_summary(session, fork, seqs)
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
