"""Whose token or session cookie a request carries: known before its body is read, and mostly without a query."""

from __future__ import annotations

import uuid
from collections.abc import MutableMapping
from io import BytesIO
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse

from accounts.api.authentication import token_for_secret
from accounts.models import secret_digest

API_PATHS = ("/api/v1/", "/v1/")
MOST_KNOWN = 10_000

_known: dict[str, uuid.UUID] = {}
"""Digest of a token or session cookie -> its user, so that most requests need no query before they have a place."""


def has_bearer_token(request: HttpRequest) -> bool:
    """Return whether this is an API request with a bearer token. Its cookies are ignored, so cookie work is skipped."""
    return (
        request.path_info.startswith(API_PATHS)
        and request.headers.get("Authorization", "")[:7].lower() == "bearer "
    )


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


async def user_id_of_scope(scope: MutableMapping[str, Any]) -> uuid.UUID | None:
    """Do the same for a request that has not reached Django; its body is not read."""
    try:
        request = ASGIRequest(scope, BytesIO())
    except UnicodeDecodeError:  # Django answers it with 400
        return None
    # Both only prepare what is read when it is asked for.
    SessionMiddleware(no_response).process_request(request)
    AuthenticationMiddleware(no_response).process_request(request)
    return await user_id_of(request)


def no_response(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError


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
