"""Request ids, which every response and every error carries."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

ACCEPTED_ID = re.compile(r"\A[A-Za-z0-9._-]{1,64}\Z")


def _set_request_id(request: HttpRequest) -> str:
    offered = request.headers.get("X-Request-ID", "")
    request_id = offered if ACCEPTED_ID.match(offered) else uuid.uuid4().hex
    request.request_id = request_id  # type: ignore[attr-defined]
    return request_id


@sync_and_async_middleware
def request_id_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Set `request.request_id` to the client's `X-Request-ID` if it matches ACCEPTED_ID, else a new id; return it."""
    if iscoroutinefunction(get_response):

        async def handle_async(request: HttpRequest) -> HttpResponseBase:
            request_id = _set_request_id(request)
            response: HttpResponseBase = await get_response(request)
            response["X-Request-ID"] = request_id
            return response

        return handle_async

    def handle(request: HttpRequest) -> HttpResponseBase:
        request_id = _set_request_id(request)
        response: HttpResponseBase = get_response(request)
        response["X-Request-ID"] = request_id
        return response

    return handle
