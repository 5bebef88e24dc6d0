"""Export a session as a file that is read while it is written: all messages with their authors and costs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from django.utils import timezone
from django.utils.text import slugify

from orchestration.engine.context import LISTS
from sessions.models import ChatSession, Message, Summary
from sessions.selectors.message_files import HAS_FILES
from sessions.selectors.portions import in_pieces, message_portions, turn_portions
from sessions.selectors.summaries import SummaryShape
from sessions.selectors.turns import turns_json
from web.dates import moment_text
from web.rfc3339 import rfc3339

SUMMARIES_AT_ONCE = 10

Json = dict[str, Any]


class StreamedList(list[Json]):
    """A list for `JSONEncoder.iterencode`, to be written once: its items are produced on the fly and not kept."""

    def __init__(self, items: Iterator[Json]) -> None:
        super().__init__()
        self._first, self._following = list(islice(items, 1)), items

    def __bool__(self) -> bool:
        return bool(self._first)

    def __iter__(self) -> Iterator[Json]:
        return chain(self._first, self._following)


def session_json(session: ChatSession) -> Iterator[str]:
    """Return the session as JSON in pieces. The first rows are read at once, so that it fails early or not at all."""
    encoder = json.JSONEncoder(ensure_ascii=False, indent=1)
    return in_pieces(encoder.iterencode(session_document(session)))


def session_document(session: ChatSession) -> Json:
    """Return a session with its turns (every version, oldest first, as the API shows them) and its summaries.

    Both are written by `iterencode`.
    """
    return {
        "id": str(session.pk),
        "title": session.title,
        "room": session.room and {"id": str(session.room_id), "name": session.room.name},
        "agent": session.agent and {"id": str(session.agent_id), "key": session.agent.key},
        "created_at": rfc3339(session.created_at),
        "exported_at": rfc3339(timezone.now()),
        "turns": StreamedList(chain.from_iterable(map(turns_json, turn_portions(session)))),
        "summaries": StreamedList(map(SummaryShape.render, summaries_of(session))),
    }


def summaries_of(session: ChatSession) -> Iterator[Summary]:
    ordered, after = session.summaries.order_by("through_seq"), 0
    while rows := list(ordered.filter(through_seq__gt=after)[:SUMMARIES_AT_ONCE]):
        yield from rows
        after = rows[-1].through_seq


def session_markdown(session: ChatSession) -> Iterator[str]:
    """Return the conversation as Markdown in pieces."""
    parts = markdown_parts(session)
    return in_pieces(chain([next(parts)], (f"\n\n{part}" for part in parts), ["\n"]))


def markdown_parts(session: ChatSession) -> Iterator[str]:
    """Yield the newest version of each turn, then the newest summary."""
    yield f"# {line(session.title) or 'Session'}"
    where = f"Room: {line(session.room.name)}" if session.room else f"Agent: {session.agent}"
    yield f"{where} · {moment_text(session.created_at, with_year=True)}"
    messages = (
        session.messages.filter(turn__replaced_by__isnull=True).exclude(text="").annotate(has_files=HAS_FILES)
    )
    for message in chain.from_iterable(message_portions(messages)):
        yield f"## {heading(message)}"
        yield message.text
        if message.files:
            yield f"Files: {', '.join(line(file.name) for file in message.files)}"
    summary = session.summaries.order_by("-through_seq").first()
    if summary is not None:
        yield from ("---", "## Summary", *summary_parts(summary))


def heading(message: Message) -> str:
    speaker = "User"
    if message.role == Message.Role.AGENT:
        speaker = f"{line(message.agent_name)} (@{message.agent_key})"
    elif message.role == Message.Role.MANAGER:
        speaker = "Conclusion"
    model = f" · {line(message.model)}" if message.model else ""
    status = "" if message.status == Message.Status.COMPLETE else f" · {message.status}"
    return f"{speaker}{model}{status}"


def summary_parts(summary: Summary) -> list[str]:
    parts = [summary.text]
    for title, field in LISTS:
        if items := getattr(summary, field):
            parts += [f"### {title}", "\n".join(f"- {line(item['text'])}" for item in items)]
    return parts


def line(text: str) -> str:
    """Put a text on one line."""
    return " ".join(text.split())


def file_name(session: ChatSession, suffix: str) -> str:
    """Return a file name that is valid on every file system."""
    return f"{slugify(session.title)[:60].strip('-') or 'session'}.{suffix}"
