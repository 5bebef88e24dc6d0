"""A session's rows a portion at a time: memory is bounded, however long the session is.

Each portion is read by its own queries, starting after the last row of the previous one: no cursor and no transaction
stays open during a download.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Length

from sessions.models import ChatSession, Message, Turn

PORTION_CHARS = 1_000_000
"""Maximum text of a portion, unless a single row has more."""

BATCH_SIZE = 100

TEXT_CHARS = Length("text")

PIECE_CHARS = 64 * 1024
"""Minimum size of a piece that is sent by itself."""

Key = TypeVar("Key")


def message_portions(messages: QuerySet[Message], size: Any = TEXT_CHARS) -> Iterator[list[Message]]:
    """Yield messages of one session in order; `size` is the expression for the characters of a message."""
    for seqs in portions(message_sizes(messages, size)):
        yield list(messages.filter(seq__range=(seqs[0], seqs[-1])).order_by("seq"))


def message_sizes(messages: QuerySet[Message], size: Any) -> Iterator[tuple[int, int]]:
    """Yield the seq and the characters of each message."""
    ordered, after = messages.order_by("seq").annotate(size=size).values_list("seq", "size"), 0
    while rows := list(ordered.filter(seq__gt=after)[:BATCH_SIZE]):
        yield from rows
        after = rows[-1][0]


def turn_portions(session: ChatSession) -> Iterator[list[Turn]]:
    """Yield a session's turns, every version, oldest first, without their snapshots."""
    turns = Turn.objects.without_snapshot().order_by("created_at", "pk")
    for ids in portions(turn_sizes(session)):
        yield list(turns.filter(pk__in=ids))


def turn_sizes(session: ChatSession) -> Iterator[tuple[uuid.UUID, int]]:
    """Yield the results of `text_sizes` for all turns of a session, in order of creation."""
    ordered, later = Turn.objects.filter(session=session).order_by("created_at", "pk"), Q()
    while rows := list(ordered.filter(later).values_list("created_at", "pk")[:BATCH_SIZE]):
        ids = [pk for _, pk in rows]
        yield from text_sizes(ids)
        later = created_after(*rows[-1])


def text_sizes(ids: Sequence[uuid.UUID]) -> list[tuple[uuid.UUID, int]]:
    """Return each turn's id and the characters of its messages."""
    messages = Message.objects.filter(turn_id__in=ids).order_by().values_list("turn_id")
    sizes = dict(messages.annotate(size=Sum(TEXT_CHARS)))
    return [(pk, sizes.get(pk, 0)) for pk in ids]


def created_after(created_at: dt.datetime, pk: uuid.UUID) -> Q:
    """Return the filter for rows created after the given one, with its id as tie-breaker."""
    return Q(created_at__gt=created_at) | Q(created_at=created_at, pk__gt=pk)


def portions(sizes: Iterable[tuple[Key, int]]) -> Iterator[list[Key]]:
    """Divide the keys of rows, each with its characters, into portions of at least one row."""
    keys: list[Key] = []
    chars = 0
    for key, size in sizes:
        if keys and (chars + size > PORTION_CHARS or len(keys) == BATCH_SIZE):
            yield keys
            keys, chars = [], 0
        keys.append(key)
        chars += size
    if keys:
        yield keys


def in_pieces(texts: Iterable[str]) -> Iterator[str]:
    """Join small texts into pieces worth sending."""
    pending: list[str] = []
    size = 0
    for text in texts:
        pending.append(text)
        size += len(text)
        if size >= PIECE_CHARS:
            yield "".join(pending)
            pending, size = [], 0
    if pending:
        yield "".join(pending)
