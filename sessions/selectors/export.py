"""A session as a file: everything that was said in it, with who said it and what it cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils import timezone
from django.utils.text import slugify

from orchestration.engine.context import LISTS
from sessions.models import ChatSession, Message, Summary, Turn
from sessions.selectors.summaries import summary_json
from sessions.selectors.turns import instant, turns_json

TURNS_AT_ONCE = 100


def session_document(session: ChatSession) -> dict[str, Any]:
    """Return a session with its turns (every version, oldest first, as the API shows them) and its summaries."""
    return {
        "id": str(session.pk),
        "title": session.title,
        "room": session.room and {"id": str(session.room_id), "name": session.room.name},
        "agent": session.agent and {"id": str(session.agent_id), "key": session.agent.key},
        "created_at": instant(session.created_at),
        "exported_at": instant(timezone.now()),
        "turns": list(turns_of(session)),
        "summaries": [summary_json(row) for row in session.summaries.order_by("through_seq")],
    }


def turns_of(session: ChatSession) -> Iterator[dict[str, Any]]:
    turns = list(Turn.objects.filter(session=session).order_by("created_at", "pk"))
    for start in range(0, len(turns), TURNS_AT_ONCE):
        yield from turns_json(turns[start : start + TURNS_AT_ONCE])


def session_markdown(session: ChatSession) -> str:
    """Return the conversation as Markdown: the newest version of each turn, then the newest summary."""
    where = f"Room: {line(session.room.name)}" if session.room else f"Agent: {session.agent}"
    parts = [f"# {line(session.title) or 'Session'}", f"{where} · {session.created_at:%Y-%m-%d %H:%M} UTC"]
    messages = session.messages.filter(turn__replaced_by__isnull=True).order_by("seq")
    for message in messages.exclude(text=""):
        parts += [f"## {heading(message)}", message.text]
    summary = session.summaries.order_by("-through_seq").first()
    if summary is not None:
        parts += ["---", "## Summary", *summary_parts(summary)]
    return "\n\n".join(parts) + "\n"


def heading(message: Message) -> str:
    speaker = "User"
    if message.role == Message.Role.AGENT:
        speaker = f"{line(message.agent_name)} (@{message.agent_key})"
    elif message.role == Message.Role.MANAGER:
        speaker = "Synthesis"
    model = f" · {line(message.model)}" if message.model else ""
    cut = "" if message.status == Message.Status.COMPLETE else f" · {message.status}"
    return f"{speaker}{model}{cut}"


def summary_parts(summary: Summary) -> list[str]:
    parts = [summary.text]
    for title, field in LISTS:
        if items := getattr(summary, field):
            parts += [f"### {title}", "\n".join(f"- {line(item['text'])}" for item in items)]
    return parts


def line(text: str) -> str:
    """Return a text on one line."""
    return " ".join(text.split())


def file_name(session: ChatSession, suffix: str) -> str:
    """Return a name that every file system takes."""
    return f"{slugify(session.title)[:60].strip('-') or 'session'}.{suffix}"
