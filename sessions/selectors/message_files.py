"""Messages with the files that they brought: one query more, and only if a message has any."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Exists, OuterRef, Prefetch, QuerySet, prefetch_related_objects

from sessions.models import Message, MessageFile, Turn

HAS_FILES = Exists(MessageFile.objects.filter(message=OuterRef("pk")))

UNREAD = ("file__text", "file__search_text")
"""Columns that a list of files does not need."""


def list_with_files(messages: QuerySet[Message], *, with_text: bool = False) -> list[Message]:
    """Return messages whose `files` need no further query; `with_text` loads the files' texts too."""
    rows: list[Message] = list(messages.annotate(has_files=HAS_FILES))
    load_files(rows, with_text=with_text)
    return rows


def load_files(rows: Sequence[Message], *, with_text: bool = False) -> None:
    """Load the files of messages that were read with `has_files=HAS_FILES`."""
    brought = MessageFile.objects.order_by("position").select_related("file")
    brought = brought.defer(*(UNREAD[1:] if with_text else UNREAD))
    with_files = [row for row in rows if row.has_files]  # type: ignore[attr-defined]  # annotated
    if with_files:
        prefetch_related_objects(with_files, Prefetch("message_files", queryset=brought))


def question_of_turn(turn: Turn) -> Message:
    """Return a turn's question with its files. Raises DoesNotExist for a turn that only summarizes."""
    found = list_with_files(Message.objects.filter(turn=turn, role=Message.Role.USER))
    if not found:
        raise Message.DoesNotExist
    return found[0]
