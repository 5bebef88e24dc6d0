"""API: a session as a file."""

from __future__ import annotations

import json

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request

from accounts.access import signed_in
from accounts.api.base import ApiView
from sessions.access import access_session
from sessions.selectors.export import file_name, session_document, session_markdown
from web.api.schema import operation, query
from web.errors import PantheonError


class SessionExportView(ApiView):
    """`?as=md`: the conversation as Markdown; `?as=json`: all of it, every version and what it cost."""

    @operation(
        "Export a session as a file",
        parameters=[
            query("as", "Markdown to read, or JSON with everything; `md` without it.", enum=["md", "json"])
        ],
        answers={(200, "text/markdown"): OpenApiTypes.STR, (200, "application/json"): OpenApiTypes.OBJECT},
    )
    def get(self, request: Request, session_id: str) -> HttpResponse:
        session = access_session(signed_in(request), session_id)
        match request.query_params.get("as", "md"):
            case "md":
                return attachment(session_markdown(session), "text/markdown", file_name(session, "md"))
            case "json":
                text = json.dumps(session_document(session), ensure_ascii=False, indent=1)
                return attachment(text, "application/json", file_name(session, "json"))
        raise PantheonError("invalid_parameter", "as is md or json.", {"parameter": "as"})


def attachment(text: str, content_type: str, name: str) -> HttpResponse:
    return HttpResponse(
        text,
        content_type=f"{content_type}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )
