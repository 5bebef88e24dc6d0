"""Let each request take a place of its user before any work is done for it, and refuse who reads too little."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from accounts.api.authentication import token_for_secret
from accounts.models import secret_digest
from pantheon.http.error_pages import error_response
from pantheon.http.inline_middleware import has_bearer_token
from pantheon.http.request_threads import THREADS, RequestThreads
from pantheon.http.unread_limit import UNREAD, UnreadResponse
from web.errors import RateLimited

MOST_KNOWN = 10_000

_known: dict[str, uuid.UUID] = {}
"""Digest of a token or session cookie -> its user, so that most requests need no query before they have a place."""


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
            if unread is not None:
                unread.size = getattr(response, "memory_bytes", None)
            return response
        finally:
            threads.give_place_back()

    return handle


async def user_id_of(request: HttpRequest) -> uuid.UUID | None:
    """Return the user whose token or session cookie the request carries, None without a valid one."""
    credential = credential_of(request)
    if not credential:
        return None
    digest = secret_digest(credential)
    user_id = _known.get(digest)
    if user_id is None and (user_id := await sync_to_async(read_user_id)(request, credential)) is not None:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known[digest] = user_id
    return user_id


def credential_of(request: HttpRequest) -> str | None:
    """Return the secret that identifies the user."""
    if has_bearer_token(request):
        return request.headers["Authorization"][len("bearer ") :].strip()
    return request.COOKIES.get(settings.SESSION_COOKIE_NAME)


def read_user_id(request: HttpRequest, credential: str) -> uuid.UUID | None:
    if has_bearer_token(request):
        token = token_for_secret(credential)
        return token.user_id if token is not None else None
    user_id: uuid.UUID | None = request.user.pk
    return user_id
