"""API: search in one's own messages and titles."""

from __future__ import annotations

import binascii
import datetime as dt
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import signed_in
from accounts.api_base import ApiView
from accounts.api_schema import PAGE, operation, page_of, query
from accounts.api_shapes import count, identifier, moment, one_of, text
from accounts.pagination import refuse_cursor
from pantheon.errors import PantheonError
from sessions.api.chats import MAX_MESSAGES_PER_PAGE, MESSAGES_PER_PAGE, whole_number
from sessions.models import Message
from sessions.selectors.search import Place, search

MAX_QUERY_CHARS = 200


class FindShape(serializers.Serializer[Any]):
    kind = one_of("What was found: a message, or a session by its title.", "message", "title")
    session_id = identifier("The session.")
    session_title = text("Its title.", allow_blank=True)
    room_id = identifier("The room; null: an agent alone.", allow_null=True)
    agent_id = identifier("The agent; null: a room.", allow_null=True)
    turn_id = identifier("The turn; null of a title.", allow_null=True)
    message_id = identifier("The message; null of a title.", allow_null=True)
    seq = count("The message's place in the session, from 1; null of a title.", allow_null=True)
    role = one_of("Who spoke; null of a title.", *Message.Role.values, allow_null=True)
    agent_key = text("The agent that spoke; null where none did.", allow_null=True)
    snippet = text("A piece of the text around what was found, on one line.", allow_blank=True)
    created_at = moment("When the message was stored, or the session made.")


class SearchView(ApiView):
    """`?q=`: words, all of which must be there; "a phrase"; -unwanted."""

    @operation(
        "Search my messages and titles",
        parameters=[
            query(
                "q",
                f'Words, "phrases", and -unwanted ones: 1 to {MAX_QUERY_CHARS} characters.',
                required=True,
            ),
            *PAGE,
        ],
        answers=page_of("FindPage", FindShape),
    )
    def get(self, request: Request) -> Response:
        limit = whole_number(request, "limit", MESSAGES_PER_PAGE, MAX_MESSAGES_PER_PAGE)
        results, more = search(
            signed_in(request),
            read_query(request),
            after=place_of(request.query_params.get("cursor")),
            limit=limit,
        )
        return Response({"next": more and page_after(request, more), "previous": None, "results": results})


def read_query(request: Request) -> str:
    """Return what is searched for. Raises `invalid_parameter`."""
    asked = request.query_params.get("q", "").strip()
    if not 1 <= len(asked) <= MAX_QUERY_CHARS or not is_storable(asked):
        message = f"q is what to search for: 1 to {MAX_QUERY_CHARS} characters, no null among them."
        raise PantheonError("invalid_parameter", message, {"parameter": "q"})
    return asked


def is_storable(asked: str) -> bool:
    """Tell whether a text is one that a database can look for."""
    return "\x00" not in asked and not any("\ud800" <= character <= "\udfff" for character in asked)


def page_after(request: Request, place: Place) -> str:
    query = request.query_params.copy()
    query["cursor"] = urlsafe_b64encode(f"{place.at.isoformat()} {place.id}".encode()).decode()
    return f"{request.build_absolute_uri(request.path)}?{query.urlencode()}"


def place_of(cursor: str | None) -> Place | None:
    """Return the place that a cursor names. Raises `invalid_parameter`."""
    if cursor is None:
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
