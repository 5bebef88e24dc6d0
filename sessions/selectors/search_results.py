"""Results of a search, as the API answers them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rest_framework import serializers

from sessions.models import ChatSession, File, Message
from sessions.search_text import fold
from sessions.selectors.search import SearchResults, beginning_of
from sessions.selectors.search_terms import Terms, snippet
from web.api.shapes import Shape, count, identifier, moment, one_of, text, values


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A message, or a session found by its title."""

    row: Message | ChatSession
    terms: Terms

    @property
    def message(self) -> Any:
        """The message with its `beginning`; None of a title."""
        return self.row if isinstance(self.row, Message) else None

    @property
    def session(self) -> ChatSession:
        return self.row.session if isinstance(self.row, Message) else self.row

    @property
    def snippet(self) -> str:
        return snippet_of(self.row, self.terms)

    @property
    def file_names(self) -> list[str]:
        """The names of the message's files that match."""
        return [file.name for file in files_found(self.row, self.terms)]

    def of_message(self, name: str) -> Any:
        return getattr(self.message, name, None)


def files_found(row: Message | ChatSession, terms: Terms) -> list[File]:
    """Return the files that a message brought whose names have all terms."""
    files = row.files if isinstance(row, Message) else []
    return [file for file in files if is_match(file.name, terms)]


def is_match(name: str, terms: Terms) -> bool:
    folded = fold(name)
    has = [fold(term) in folded for term in terms.wanted]
    return all(has) and not any(fold(term) in folded for term in terms.unwanted)


def snippet_of(row: Message | ChatSession, terms: Terms) -> str:
    """Return a piece of a message as it is shown, or of a title; answers are Markdown."""
    if isinstance(row, ChatSession):
        return snippet(row.title, terms)
    return snippet(beginning_of(row), terms, is_markdown=row.role != Message.Role.USER)


class FindShape(Shape):
    kind = one_of(
        "Type of the result: a message, or a session with a matching title.",
        *("message", "title"),
        of=lambda result: "message" if result.message else "title",
    )
    session_id = identifier("The session.", of="session.pk")
    session_title = text("Its title.", of="session.title", allow_blank=True)
    room_id = identifier("The room; null: a chat with an agent.", of="session.room_id", allow_null=True)
    agent_id = identifier("The agent of a chat; null: a room.", of="session.agent_id", allow_null=True)
    turn_id = identifier(
        "The turn; null for a title.", of=lambda result: result.of_message("turn_id"), allow_null=True
    )
    message_id = identifier(
        "The message; null for a title.", of=lambda result: result.of_message("pk"), allow_null=True
    )
    seq = count(
        "Position of the message in the session, from 1; null for a title.",
        of=lambda result: result.of_message("seq"),
        allow_null=True,
    )
    role = one_of(
        "Author of the message; null for a title.",
        *Message.Role.values,
        of=lambda result: result.of_message("role"),
        allow_null=True,
    )
    agent_key = text(
        "The agent that wrote it; null for other authors and titles.",
        of=lambda result: result.of_message("agent_key"),
        allow_null=True,
    )
    snippet = text("Rendered text around the first match, on one line.", allow_blank=True)
    file_names = values("Names of the message's files that match.", serializers.CharField(), of="file_names")
    created_at = moment("Time of the message, or of the session's creation.", of="row.created_at")


def results_json(page: SearchResults) -> Any:
    return FindShape.render_all(SearchResult(row, page.terms) for row in page.rows)
