"""Search in one's own messages and titles: full text on PostgreSQL (any word form as it is written), LIKE on SQLite."""

from __future__ import annotations

import binascii
import datetime as dt
import re
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import BooleanField, F, Func, Q, QuerySet, Value

from accounts.models import User
from accounts.pagination import refuse_cursor
from pantheon.errors import PantheonError
from sessions.models import ChatSession, Message
from sessions.selectors.turns import instant

MAX_QUERY_CHARS = 200
SEARCHED_CHARS = 100_000
"""How much of a message is searched; the index of PostgreSQL has as much."""

SNIPPET_CHARS = 200
BEFORE_CHARS = 60
"""How much of a snippet stands before what was found."""

TERM = re.compile(r'(-?)(?:"([^"]*)"?|([^\s"]+))')


@dataclass(frozen=True, slots=True)
class Terms:
    """What a query asks for: words and quoted phrases, and those that must not be there."""

    wanted: tuple[str, ...]
    unwanted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the results, newest first: what comes after it is older."""

    at: dt.datetime
    id: uuid.UUID

    @property
    def cursor(self) -> str:
        """The place as an address has it; `place_of` reads it."""
        return urlsafe_b64encode(f"{self.at.isoformat()} {self.id}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Found:
    """A page of what was found, newest first."""

    rows: Sequence[Message | ChatSession]
    """Messages, and sessions by their titles."""
    terms: Terms
    more: Place | None
    """The last place, None where nothing is older."""


def place_of(cursor: str | None) -> Place | None:
    """Return the place that a cursor names. Raises `invalid_parameter`."""
    if not cursor:
        return None
    try:
        at, _, place_id = urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        moment = dt.datetime.fromisoformat(at)
        place = Place(moment.astimezone(dt.UTC), uuid.UUID(place_id))
    except (binascii.Error, ValueError, OverflowError) as error:
        refuse_cursor(error)
    if moment.tzinfo is None:
        refuse_cursor()
    return place


def read_query(text: str) -> str:
    """Return what is searched for. Raises `invalid_parameter`."""
    asked = text.strip()
    if not 1 <= len(asked) <= MAX_QUERY_CHARS or not is_storable(asked):
        message = f"q is what to search for: 1 to {MAX_QUERY_CHARS} characters, no null among them."
        raise PantheonError("invalid_parameter", message, {"parameter": "q"})
    return asked


def is_storable(asked: str) -> bool:
    """Tell whether a text is one that a database can look for."""
    return "\x00" not in asked and not any("\ud800" <= character <= "\udfff" for character in asked)


def read_terms(query: str) -> Terms:
    """Return the terms of a query. What has neither letter nor digit is none."""
    found: dict[bool, list[str]] = {True: [], False: []}
    for minus, phrase, word in TERM.findall(query):
        term = phrase or word
        if any(character.isalnum() for character in term):
            found[bool(minus)].append(term)
    return Terms(tuple(found[False]), tuple(found[True]))


def has_terms(field: str, terms: Terms) -> Func:
    """PostgreSQL: a text has what is asked for. The left side is the expression of the index `message_search`."""
    document = Func(
        F(field), template=f"to_tsvector('simple'::regconfig, left(%(expressions)s, {SEARCHED_CHARS}))"
    )
    asked = Func(
        Value(as_websearch(terms)), template="websearch_to_tsquery('simple'::regconfig, %(expressions)s)"
    )
    return Func(document, asked, template="%(expressions)s", arg_joiner=" @@ ", output_field=BooleanField())


def matching(rows: QuerySet[Any], field: str, terms: Terms) -> QuerySet[Any]:
    """Keep the rows whose text has every wanted term and no unwanted one."""
    if connection.vendor == "postgresql":
        return rows.filter(has_terms(field, terms))
    for term in terms.wanted:
        rows = rows.filter(**{f"{field}__icontains": term})
    for term in terms.unwanted:
        rows = rows.exclude(**{f"{field}__icontains": term})
    return rows


def as_websearch(terms: Terms) -> str:
    """Return the terms as PostgreSQL's `websearch_to_tsquery` reads them, which takes any text."""
    return " ".join([*(f'"{term}"' for term in terms.wanted), *(f'-"{term}"' for term in terms.unwanted)])


def search(user: User, query: str, *, after: Place | None, limit: int) -> Found:
    """Return what a person finds in their own sessions, newest first.

    Deleted sessions, earlier versions of turns and what programs asked through the OpenAI-compatible endpoint are
    left out.
    """
    terms = read_terms(query)
    if not terms.wanted:
        return Found([], terms, None)
    sessions = ChatSession.objects.of(user).listed()
    messages = Message.objects.filter(session__in=sessions, turn__replaced_by__isnull=True)
    messages = messages.select_related("session__room", "session__agent")
    rows: list[Message | ChatSession] = [
        *newest(matching(messages, "text", terms), after, limit + 1),
        *newest(matching(sessions.select_related("room", "agent"), "title", terms), after, limit + 1),
    ]
    rows.sort(key=lambda row: (row.created_at, row.pk), reverse=True)
    page = rows[:limit]
    more = Place(page[-1].created_at, page[-1].pk) if len(rows) > limit else None
    return Found(page, terms, more)


def newest(rows: QuerySet[Any], after: Place | None, limit: int) -> Sequence[Any]:
    if after is not None:
        rows = rows.filter(Q(created_at__lt=after.at) | Q(created_at=after.at, pk__lt=after.id))
    return list(rows.order_by("-created_at", "-pk")[:limit])


def result_json(row: Message | ChatSession, terms: Terms) -> dict[str, Any]:
    """Return a find: a message, or a session by its title."""
    message = row if isinstance(row, Message) else None
    session = row if isinstance(row, ChatSession) else row.session
    return {
        "kind": "message" if message else "title",
        "session_id": str(session.pk),
        "session_title": session.title,
        "room_id": str(session.room_id) if session.room_id else None,
        "agent_id": str(session.agent_id) if session.agent_id else None,
        "turn_id": str(message.turn_id) if message else None,
        "message_id": str(message.pk) if message else None,
        "seq": message.seq if message else None,
        "role": message.role if message else None,
        "agent_key": (message.agent_key or None) if message else None,
        "snippet": snippet(message.text if message else session.title, terms),
        "created_at": instant(row.created_at),
    }


def snippet(text: str, terms: Terms) -> str:
    """Return a piece of a text around the first term that is found in it, on one line."""
    first = max(0, min((begin for begin, _ in places(text, terms)), default=0) - BEFORE_CHARS)
    if first:  # from a whole word on, where one begins soon
        first = text.find(" ", first, first + BEFORE_CHARS // 2) + 1 or first
    piece = " ".join(text[first : first + SNIPPET_CHARS].split())
    return ("…" if first else "") + piece + ("…" if first + SNIPPET_CHARS < len(text) else "")


def places(text: str, terms: Terms) -> list[tuple[int, int]]:
    """Return where a text has the wanted terms, in order: as whole words, or within words where it has no such."""
    found: list[tuple[int, int]] = []
    for term in terms.wanted:
        words = r"[\W_]+".join(re.escape(word) for word in re.split(r"[\W_]+", term) if word)
        hits: list[tuple[int, int]] = []
        for pattern in (rf"(?<!\w){words}(?!\w)", words):
            hits = hits or [match.span() for match in re.finditer(pattern, text, re.IGNORECASE)]
        found += hits
    return sorted(found)
