"""API: search the user's own messages and titles."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import signed_in
from accounts.api.base import ApiView
from sessions.api.chats import MAX_MESSAGES_PER_PAGE, MESSAGES_PER_PAGE, whole_number
from sessions.models import Message
from sessions.selectors.search import (
    MAX_QUERY_CHARS,
    ResultPosition,
    parse_search_query,
    position_of_cursor,
    result_json,
    search,
)
from sessions.selectors.search_terms import MAX_TERMS
from web.api.schema import PAGE, operation, page_of, query
from web.api.shapes import count, identifier, moment, one_of, text


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
    """`?q=`: words, all of them required; "a phrase"; -excluded."""

    @operation(
        "Search my messages and titles",
        parameters=[
            query(
                "q",
                f'Words, "phrases", and -unwanted ones: 1 to {MAX_QUERY_CHARS} characters. The first {MAX_TERMS} '
                "different ones are looked for.",
                required=True,
            ),
            *PAGE,
        ],
        answers=page_of("FindPage", FindShape),
    )
    def get(self, request: Request) -> Response:
        limit = whole_number(request, "limit", MESSAGES_PER_PAGE, MAX_MESSAGES_PER_PAGE)
        found = search(
            signed_in(request),
            parse_search_query(request.query_params.get("q", "")),
            after=position_of_cursor(request.query_params.get("cursor")),
            limit=limit,
        )
        results = [result_json(row, found.terms) for row in found.rows]
        return Response(
            {"next": found.more and page_after(request, found.more), "previous": None, "results": results}
        )


def page_after(request: Request, place: ResultPosition) -> str:
    query = request.query_params.copy()
    query["cursor"] = place.cursor
    return f"{request.build_absolute_uri(request.path)}?{query.urlencode()}"
