"""The history of a session for models: its messages in the engine's types."""

from __future__ import annotations

import uuid

from django.db.models import IntegerField, UUIDField

from orchestration.engine.specs import HistoryMessage
from sessions.models import Message, Turn
from web.database.compiled import CompiledQuery, Slot

QUESTION_OF_TURN = (
    f"(SELECT text FROM {Message._meta.db_table} WHERE role = 'user' AND turn_id = {{turn_id}})"
)
"""SQL of a turn's question, NULL if it only summarizes, to be selected along with the turn."""


def history_of(
    session_id: uuid.UUID, *, after_seq: int, before_seq: int, without: Turn | None = None
) -> tuple[HistoryMessage, ...]:
    """Return the messages of a range, except those of the turn `without`."""
    if before_seq == after_seq + 1:
        return ()
    messages = transcript(session_id, after_seq=after_seq, through_seq=before_seq - 1)
    return tuple(
        line_of_message(message) for message in messages if without is None or message.turn_id != without.pk
    )


def transcript(session_id: uuid.UUID, *, after_seq: int, through_seq: int) -> list[Message]:
    """Return the messages of a range that models get: without replaced turns, failed answers and empty texts."""
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
