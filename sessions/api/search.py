"""API: search the user's own messages and titles."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import signed_in
from accounts.api.base import ApiView
from sessions.access import access_search_filters
from sessions.api.chats import MAX_MESSAGES_PER_PAGE, MESSAGES_PER_PAGE, whole_number
from sessions.selectors.search import (
    MAX_QUERY_CHARS,
    ResultPosition,
    parse_search_query,
    position_of_cursor,
    search,
)
from sessions.selectors.search_results import FindShape, results_json
from sessions.selectors.search_terms import MAX_TERMS
from web.api.schema import PAGE, operation, page_of, query


class SearchView(ApiView):
    """`?q=`: words or parts of them, all of them required; "a phrase"; -excluded."""

    @operation(
        "Search my messages, titles and names of files",
        parameters=[
            query(
                "q",
                f'Words or parts of words, "phrases", and -excluded words: 1 to {MAX_QUERY_CHARS} characters. Case and '
                f"accents do not matter. The first {MAX_TERMS} different ones count.",
                required=True,
            ),
            query("room", "Only sessions of this room."),
            query("agent", "Only messages of this agent, and sessions with it alone."),
            query("from", "First day in UTC, such as 2026-11-22."),
            query("to", "Last day in UTC."),
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
            within=access_search_filters(signed_in(request), request.query_params),
        )
        following = found.more and page_after(request, found.more)
        return Response({"next": following, "previous": None, "results": results_json(found)})


def page_after(request: Request, place: ResultPosition) -> str:
    query = request.query_params.copy()
    query["cursor"] = place.cursor
    return f"{request.build_absolute_uri(request.path)}?{query.urlencode()}"
