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

FINDS_PER_PAGE = 20


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text, and whether it matches the search."""

    text: str
    hit: bool


@dataclass(frozen=True, slots=True)
class Find:
    """A line of the results: a message, or a session found by its title."""

    session: ChatSession
    title: Sequence[Piece]
    said_by: str
    """Empty for a title."""
    agent_key: str
    text: Sequence[Piece]
    at: dt.datetime
    url: str

    @property
    def place(self) -> str:
        """The name of the room or of the agent of a direct session."""
        place = self.session.room or self.session.agent
        assert place is not None
        return place.name


class SearchView(PageView):
    """`?q=`: words, all of them required; "a phrase"; -excluded. `?cursor=`: older results."""

    def get(self, request: HttpRequest) -> HttpResponse:
        asked = request.GET.get("q", "").strip()
        context = {"searching": True, "asked": asked, "max_chars": MAX_QUERY_CHARS}
        if asked:
            cursor = request.GET.get("cursor")
            found = search(
                self.user, parse_search_query(asked), after=position_of_cursor(cursor), limit=FINDS_PER_PAGE
            )
            older = found.more and f"?{urlencode({'q': asked, 'cursor': found.more.cursor})}"
            context |= {
                "finds": [find_of(row, found.terms) for row in found.rows],
                "terms": found.terms.wanted,
                "max_terms": MAX_TERMS if found.terms.more else None,
                "older": older,
                "newest": f"?{urlencode({'q': asked})}" if cursor else "",
            }
        return render(request, "pages/search.html", context)


def find_of(row: Message | ChatSession, terms: Terms) -> Find:
    if isinstance(row, ChatSession):
        url = reverse("session", args=[row.pk])
        return Find(row, marked(row.title, terms), "", "", [], row.created_at, url)
    said_by = "You" if row.role == Message.Role.USER else row.agent_name or row.agent_key or "Synthesis"
    title = [Piece(row.session.heading, False)]
    text = marked(snippet(beginning_of(row), terms), terms)
    return Find(row.session, title, said_by, row.agent_key, text, row.created_at, address_of_message(row))


def marked(text: str, terms: Terms) -> list[Piece]:
    """Split a text into pieces, with the matches apart."""
    pieces: list[Piece] = []
    end = 0
    for begin, until in match_spans(text, terms):
        if until <= end:
            continue
        begin = max(begin, end)
        pieces += [Piece(text[end:begin], False), Piece(text[begin:until], True)]
        end = until
    pieces.append(Piece(text[end:], False))
    return [Piece(visible_text(piece.text), piece.hit) for piece in pieces if piece.text]
