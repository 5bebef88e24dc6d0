"""Search the user's own messages, titles and names of files for parts of words, alike on both databases."""

from __future__ import annotations

import binascii
import datetime as dt
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Least, Left, Length, StrIndex
from django.db.models.lookups import GreaterThan

from accounts.models import User
from sessions.models import ChatSession, File, Message, MessageFile
from sessions.search_text import SEARCHED_CHARS, fold
from sessions.selectors.message_files import HAS_FILES, load_files
from sessions.selectors.search_filters import EVERYWHERE, SearchFilters
from sessions.selectors.search_terms import Terms, parse_terms
from web.api.pagination import refuse_cursor
from web.database.statement_limit import StatementTooLong, limit_statements
from web.errors import PantheonError

MAX_QUERY_CHARS = 200
MAX_SECONDS = 4.0
"""Time that the database may take. Some texts and words, repetitive ones, take it long for each text."""


MAX_PAGE_CHARS = 2_000_000
"""Of the texts on a page, of which pieces are rendered: that takes some 80 ms for a million."""


@dataclass(frozen=True, slots=True, order=True)
class ResultPosition:
    """A position in the results, newest first: later positions are older."""

    at: dt.datetime
    id: uuid.UUID

    @property
    def cursor(self) -> str:
        """The position as a URL parameter; `position_of_cursor` parses it."""
        return urlsafe_b64encode(f"{self.at.isoformat()} {self.id}".encode()).decode()


@dataclass(frozen=True, slots=True)
class SearchResults:
    """A page of results: the newest, those of a session together."""

    rows: Sequence[Message | ChatSession]
    """Messages, and sessions found by their titles."""
    terms: Terms
    more: ResultPosition | None
    """The last position, None if there are no older results."""


def position_of_cursor(cursor: str | None) -> ResultPosition | None:
    """Parse a cursor. Raises `invalid_parameter`."""
    if not cursor:
        return None
    try:
        at, _, place_id = urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        moment = dt.datetime.fromisoformat(at)
        place = ResultPosition(moment.astimezone(dt.UTC), uuid.UUID(place_id))
    except (binascii.Error, ValueError, OverflowError) as error:
        refuse_cursor(error)
    if moment.tzinfo is None:
        refuse_cursor()
    return place


def parse_search_query(text: str) -> str:
    """Validate a search query and strip it. Raises `invalid_parameter`."""
    query = text.strip()
    if not 1 <= len(query) <= MAX_QUERY_CHARS or not is_storable(query):
        message = f"q must have 1 to {MAX_QUERY_CHARS} characters and no null characters."
        raise PantheonError("invalid_parameter", message, {"parameter": "q"})
    return query


def is_storable(text: str) -> bool:
    """Return whether a text can be a query parameter: databases reject NUL and lone surrogates."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def filter_matching(rows: QuerySet[Any], terms: Terms) -> QuerySet[Any]:
    """Keep the rows whose text has every wanted term and no unwanted one, as parts of words."""
    for term in terms.wanted:
        rows = rows.filter(has_term(term))
    for term in terms.unwanted:
        rows = rows.exclude(has_term(term))
    return rows


def has_term(term: str) -> Any:
    """Return the condition that a row's text has a term, wherever it is."""
    if connection.vendor == "postgresql":  # by the index of trigrams
        return Q(search_text__contains=fold(term))
    # SQLite's LIKE takes the product of both lengths for some texts.
    return GreaterThan(StrIndex("search_text", Value(fold(term))), 0)


def search(
    user: User,
    query: str,
    *,
    after: ResultPosition | None,
    limit: int,
    within: SearchFilters = EVERYWHERE,
) -> SearchResults:
    """Search a person's own sessions and return a page of results: the newest, grouped by session.

    Deleted sessions, earlier versions of turns and requests through the OpenAI-compatible endpoint are left out.
    Raises `invalid_parameter` if the search takes too long.
    """
    terms = parse_terms(query)
    if not terms.wanted:
        return SearchResults([], terms, None)
    sessions = ChatSession.objects.of(user).listed()
    messages = Message.objects.filter(session__in=sessions, turn__replaced_by__isnull=True)
    try:
        with limit_statements(MAX_SECONDS):
            found = within.messages(messages)
            positions = {  # a message may be found by its text and by a file
                *list_positions(filter_matching(found, terms), after, limit + 1),
                *list_positions(found.filter(pk__in=brought_with(user, terms)), after, limit + 1),
                *list_positions(filter_matching(within.sessions(sessions), terms), after, limit + 1),
            }
    except StatementTooLong as error:
        message = "This search takes too long. Search for other words, or in one room or a shorter time."
        raise PantheonError("invalid_parameter", message, {"parameter": "q"}) from error
    ordered = sorted(positions, reverse=True)
    page = page_that_fits(messages, ordered[:limit])
    rows = rows_by_id(messages, sessions, [place.id for place in page])
    more = page[-1] if len(ordered) > len(page) else None
    # Leave out rows deleted since their positions were read.
    return SearchResults(by_session([rows[place.id] for place in page if place.id in rows]), terms, more)


def brought_with(user: User, terms: Terms) -> QuerySet[Any]:
    """Return the ids of messages that brought a file whose name has all terms."""
    files = filter_matching(File.objects.filter(owner=user), terms)
    return MessageFile.objects.filter(file__in=files.order_by().values("pk")).order_by().values("message")


def page_that_fits(messages: QuerySet[Message], page: Sequence[ResultPosition]) -> Sequence[ResultPosition]:
    """Return the beginning of a page, at least one result, whose texts are not too long together: all are searched."""
    if len(page) * SEARCHED_CHARS <= MAX_PAGE_CHARS:
        return page
    length = Least(Length("text"), SEARCHED_CHARS)
    ids = [place.id for place in page]
    sizes = dict(messages.filter(pk__in=ids).order_by().values_list("pk", length))
    totals = accumulate(sizes.get(place.id, 0) for place in page)
    return page[: max(1, sum(total <= MAX_PAGE_CHARS for total in totals))]


def by_session(rows: Sequence[Message | ChatSession]) -> list[Message | ChatSession]:
    """Put the results of each session together, at the place of its first one, and its title before its messages."""
    sessions: dict[uuid.UUID, list[Message | ChatSession]] = {}
    for row in rows:
        is_title = isinstance(row, ChatSession)
        of_session = sessions.setdefault(row.pk if isinstance(row, ChatSession) else row.session_id, [])
        of_session.insert(0 if is_title else len(of_session), row)
    return [row for of_session in sessions.values() for row in of_session]


def list_positions(rows: QuerySet[Any], after: ResultPosition | None, limit: int) -> list[ResultPosition]:
    """Return the positions of the newest rows.

    Selects nothing else: the database computes the selected values for every match before it sorts, and whole texts do
    not fit into its memory.
    """
    if after is not None:
        rows = rows.filter(Q(created_at__lt=after.at) | Q(created_at=after.at, pk__lt=after.id))
    newest = rows.order_by("-created_at", "-pk").values_list("created_at", "pk")[:limit]
    return [ResultPosition(at, row_id) for at, row_id in newest]


def rows_by_id(
    messages: QuerySet[Message], sessions: QuerySet[ChatSession], ids: list[uuid.UUID]
) -> dict[uuid.UUID, Message | ChatSession]:
    """Return messages with their `beginning` and files, and sessions, with their rooms or agents without the prompts.

    Unordered: the models' default ordering would sort the texts.
    """
    messages = messages.select_related("session__room", "session__agent").defer(
        "text", "search_text", "html", "session__room__goal", "session__agent__role_prompt"
    )
    messages = messages.annotate(beginning=Left("text", SEARCHED_CHARS), has_files=HAS_FILES)
    sessions = sessions.select_related("room", "agent").defer("room__goal", "agent__role_prompt")
    messages_by_id = messages.order_by().in_bulk(ids)
    load_files(list(messages_by_id.values()))
    return {
        **messages_by_id,
        **sessions.order_by().in_bulk([row_id for row_id in ids if row_id not in messages_by_id]),
    }


def beginning_of(message: Any) -> str:
    """Return the searched part of a message's text."""
    beginning: str = message.beginning
    return beginning
