"""Page: search the user's own messages and titles."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from accounts.pages.base import PageView
from sessions.markdown import visible_text
from sessions.models import ChatSession, Message
from sessions.pages.places import address_of_message
from sessions.selectors.search import (
    MAX_QUERY_CHARS,
    beginning_of,
    parse_search_query,
    position_of_cursor,
    search,
)
from sessions.selectors.search_terms import MAX_TERMS, Terms, match_spans, snippet

RESULTS_PER_PAGE = 20


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A part of a text, and whether it matches the search."""

    text: str
    hit: bool


@dataclass(frozen=True, slots=True)
class ResultLine:
    """A line of the results: a message, or a session found by its title."""

    session: ChatSession
    title: Sequence[TextPiece]
    speaker: str
    """Empty for a title."""
    agent_key: str
    text: Sequence[TextPiece]
    at: dt.datetime
    url: str

    @property
    def place(self) -> str:
        """The name of the room or of the agent of a direct session."""
        place = self.session.room or self.session.agent
        assert place is not None
        return place.name


class SearchPage(PageView):
    """`?q=`: words, all of them required; "a phrase"; -excluded. `?cursor=`: older results."""

    def get(self, request: HttpRequest) -> HttpResponse:
        query = request.GET.get("q", "").strip()
        context = {"searching": True, "query": query, "max_chars": MAX_QUERY_CHARS}
        if query:
            cursor = request.GET.get("cursor")
            results = search(
                self.user, parse_search_query(query), after=position_of_cursor(cursor), limit=RESULTS_PER_PAGE
            )
            older = results.more and f"?{urlencode({'q': query, 'cursor': results.more.cursor})}"
            context |= {
                "finds": [result_of(row, results.terms) for row in results.rows],
                "terms": results.terms.wanted,
                "max_terms": MAX_TERMS if results.terms.more else None,
                "older": older,
                "newest": f"?{urlencode({'q': query})}" if cursor else "",
            }
        return render(request, "pages/search.html", context)


def result_of(row: Message | ChatSession, terms: Terms) -> ResultLine:
    if isinstance(row, ChatSession):
        url = reverse("session", args=[row.pk])
        return ResultLine(row, mark_matches(row.title, terms), "", "", [], row.created_at, url)
    speaker = "You" if row.role == Message.Role.USER else row.agent_name or row.agent_key or "Conclusion"
    title = [TextPiece(row.session.heading, False)]
    text = mark_matches(snippet(beginning_of(row), terms), terms)
    return ResultLine(
        row.session, title, speaker, row.agent_key, text, row.created_at, address_of_message(row)
    )


def mark_matches(text: str, terms: Terms) -> list[TextPiece]:
    """Split a text into pieces, with the matches apart."""
    pieces: list[TextPiece] = []
    end = 0
    for begin, until in match_spans(text, terms):
        if until <= end:
            continue
        begin = max(begin, end)
        pieces += [TextPiece(text[end:begin], False), TextPiece(text[begin:until], True)]
        end = until
    pieces.append(TextPiece(text[end:], False))
    return [TextPiece(visible_text(piece.text), piece.hit) for piece in pieces if piece.text]
