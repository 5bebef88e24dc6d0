"""Page: search the user's own messages and titles."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.pages.base import PageView
from sessions.access import access_search_filters
from sessions.models import ChatSession, Message, Room
from sessions.pages.places import address_of_message
from sessions.rendering.markdown import visible_text
from sessions.selectors.pages import agents_of
from sessions.selectors.search import MAX_QUERY_CHARS, parse_search_query, position_of_cursor, search
from sessions.selectors.search_results import files_found, snippet_of
from sessions.selectors.search_terms import MAX_TERMS, Terms, match_spans

RESULTS_PER_PAGE = 20
FILTERS = ("room", "agent", "from", "to")


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A part of a text, and whether it matches the search."""

    text: str
    hit: bool


@dataclass(frozen=True, slots=True)
class ResultLine:
    """A message of the results."""

    speaker: str
    agent_key: str
    text: Sequence[TextPiece]
    files: Sequence[Sequence[TextPiece]]
    """The names of its files that match."""
    at: dt.datetime
    url: str


@dataclass(slots=True)
class SessionFinds:
    """A session with its results: matches in its title, and messages."""

    session: ChatSession
    title: Sequence[TextPiece]
    messages: list[ResultLine] = field(default_factory=list)

    @property
    def place(self) -> str:
        """The name of the room or of the agent of a direct session."""
        place = self.session.room or self.session.agent
        assert place is not None
        return place.name


class SearchPage(PageView):
    """`?q=`: words or parts of them, all of them required; "a phrase"; -excluded. `?cursor=`: older results.

    `?room=`, `?agent=`, `?from=` and `?to=` filter.
    """

    def get(self, request: HttpRequest) -> HttpResponse:
        query = request.GET.get("q", "").strip()
        filters = access_search_filters(self.user, request.GET)
        asked = {"q": query, **{name: request.GET[name] for name in FILTERS if request.GET.get(name)}}
        context = {
            "searching": True,
            "query": query,
            "max_chars": MAX_QUERY_CHARS,
            "filters": filters,
            "is_filtered": len(asked) > 1,
            "rooms": Room.objects.of(self.user).only("name").order_by("name")[: Room.MOST_PER_PERSON],
            "agents": agents_of(self.user),
        }
        if query:
            cursor = request.GET.get("cursor")
            position = position_of_cursor(cursor)
            checked = parse_search_query(query)
            results = search(self.user, checked, after=position, limit=RESULTS_PER_PAGE, within=filters)
            older = results.more and f"?{urlencode({**asked, 'cursor': results.more.cursor})}"
            context |= {
                "finds": finds_by_session(results.rows, results.terms),
                "terms": results.terms.wanted,
                "max_terms": MAX_TERMS if results.terms.more else None,
                "older": older,
                "newest": f"?{urlencode(asked)}" if cursor else "",
            }
        return render(request, "pages/search.html", context)


def finds_by_session(rows: Sequence[Message | ChatSession], terms: Terms) -> list[SessionFinds]:
    finds: dict[uuid.UUID, SessionFinds] = {}
    for row in rows:
        session = row if isinstance(row, ChatSession) else row.session
        of_session = finds.setdefault(session.pk, SessionFinds(session, mark_matches(session.heading, terms)))
        if isinstance(row, Message):
            of_session.messages.append(result_of(row, terms))
    return list(finds.values())


def result_of(row: Message, terms: Terms) -> ResultLine:
    speaker = "You" if row.role == Message.Role.USER else row.agent_name or row.agent_key or "Conclusion"
    text = mark_matches(snippet_of(row, terms), terms)
    files = [mark_matches(file.name, terms) for file in files_found(row, terms)]
    return ResultLine(speaker, row.agent_key, text, files, row.created_at, address_of_message(row))


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
