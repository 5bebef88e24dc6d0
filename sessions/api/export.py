"""API: export a session as a file."""

from __future__ import annotations

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request

from accounts.access import signed_in
from accounts.api.base import ApiView
from sessions.access import access_session
from sessions.downloads import download
from sessions.selectors.export import file_name, session_json, session_markdown
from web.api.schema import operation, query
from web.errors import PantheonError


class SessionExportView(ApiView):
    """`?as=md`: the conversation as Markdown; `?as=json`: everything, with all versions and costs."""

    @operation(
        "Export a session as a file",
        parameters=[
            query(
                "as", "`md` (default): the conversation as Markdown. `json`: all data.", enum=["md", "json"]
            )
        ],
        answers={(200, "text/markdown"): OpenApiTypes.STR, (200, "application/json"): OpenApiTypes.OBJECT},
    )
    def get(self, request: Request, session_id: str) -> HttpResponseBase:
        session = access_session(signed_in(request), session_id)
        suffix = request.query_params.get("as", "md")
        match suffix:
            case "md":
                pieces, content_type = session_markdown(session), "text/markdown"
            case "json":
                pieces, content_type = session_json(session), "application/json"
            case _:
                raise PantheonError("invalid_parameter", "as must be md or json.", {"parameter": "as"})
        return download(request.method, pieces, content_type, file_name(session, suffix))
