"""Texts of turns and sessions for staff, if PANTHEON_STAFF_READ_MESSAGES is on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from orchestration.engine.purposes import Purpose
from sessions.models import ChatSession, File, Message, Summary, Turn
from sessions.rendering.markdown import visible_text
from sessions.selectors.message_files import list_with_files

TURNS_PER_PAGE = 20
LISTS = (
    ("Key facts", "key_facts"),
    ("Decisions", "decisions"),
    ("Open questions", "open_questions"),
    ("Action items", "action_items"),
)


@dataclass(frozen=True, slots=True)
class VisibleFile:
    row: File
    name: str


@dataclass(frozen=True, slots=True)
class VisibleMessage:
    """A message, with control characters made visible."""

    row: Message
    speaker: str
    text: str
    files: Sequence[VisibleFile]

    @property
    def is_conclusion(self) -> bool:
        return self.row.purpose == Purpose.SYNTHESIZE

    @property
    def is_incomplete(self) -> bool:
        return self.row.status != Message.Status.COMPLETE


@dataclass(frozen=True, slots=True)
class VisibleTurn:
    """A turn with all of its texts, and the manager's decisions."""

    turn: Turn
    messages: Sequence[VisibleMessage]
    routing: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class VisibleSummary:
    summary: Summary
    text: str
    lists: Sequence[tuple[str, Sequence[str]]]


def list_visible_turns(turns: Sequence[Turn]) -> list[VisibleTurn]:
    """Return the turns with their texts, in one statement, and one more if messages brought files."""
    messages: dict[Any, list[VisibleMessage]] = {turn.pk: [] for turn in turns}
    for message in list_with_files(Message.objects.filter(turn__in=turns).order_by("seq")):
        files = [VisibleFile(file, visible_text(file.name)) for file in message.files]
        messages[message.turn_id].append(
            VisibleMessage(message, speaker_of(message), visible_text(message.text), files)
        )
    return [
        VisibleTurn(turn, messages[turn.pk], [visible(decided) for decided in turn.routing]) for turn in turns
    ]


def visible(value: Any) -> Any:
    """Return a JSON value with hiding and reordering characters in its texts made visible."""
    if isinstance(value, str):
        return visible_text(value)
    if isinstance(value, list):
        return [visible(each) for each in value]
    if isinstance(value, dict):
        return {key: visible(each) for key, each in value.items()}
    return value


def speaker_of(message: Message) -> str:
    if message.role == Message.Role.AGENT:
        return f"{message.agent_name} (@{message.agent_key})"
    return Message.Role(message.role).label


def turns_before(session: ChatSession, *, before: int | None) -> tuple[list[Turn], int | None]:
    """Return the newest turns before an index, oldest first, and the index before which there are more, or None."""
    turns = Turn.objects.spoken().filter(session=session).defer("snapshot").order_by("-index")
    if before is not None:
        turns = turns.filter(index__lt=before)
    page = list(turns[: TURNS_PER_PAGE + 1])
    more = page[TURNS_PER_PAGE - 1].index if len(page) > TURNS_PER_PAGE else None
    return page[:TURNS_PER_PAGE][::-1], more


def list_visible_summaries(summaries: Iterable[Summary]) -> list[VisibleSummary]:
    return [
        VisibleSummary(
            summary,
            visible_text(summary.text),
            [
                (title, [visible_text(item["text"]) for item in getattr(summary, field)])
                for title, field in LISTS
            ],
        )
        for summary in summaries
    ]
