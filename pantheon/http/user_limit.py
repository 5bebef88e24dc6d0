"""Let each request take a place of its user before any work is done for it, and refuse who reads too little."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from pantheon.http.credentials import user_id_of
from pantheon.http.error_pages import error_response
from pantheon.http.request_threads import THREADS, RequestThreads
from pantheon.http.unread_limit import UNREAD, UnreadResponse
from web.errors import RateLimited


@sync_and_async_middleware
def user_limit_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Hold a place of the request's user until the response; 429 if none is free for too long. Only in the server."""
    if not iscoroutinefunction(get_response):
        return get_response

    async def handle(request: HttpRequest) -> HttpResponseBase:
        threads: RequestThreads | None = getattr(request, "scope", {}).get(THREADS)
        unread: UnreadResponse | None = getattr(request, "scope", {}).get(UNREAD)
        user_id = await user_id_of(request) if threads is not None else None
        if threads is None or user_id is None:
            response: HttpResponseBase = await get_response(request)
            return response
        try:
            await threads.begin(user_id)
            if unread is not None:
                unread.begin(user_id)  # now, as it may have waited while others were answered
        except RateLimited as error:
            threads.give_place_back()
            return await sync_to_async(error_response)(request, error)
        request.give_place_back = threads.give_place_back  # type: ignore[attr-defined]
        try:
            response = await get_response(request)
            return response
        finally:
            threads.give_place_back()

    return handle
