"""Ids from outside become rows here, and only rows that belong to the asker."""

from __future__ import annotations

import uuid

from rest_framework.request import Request

from accounts.models import ApiToken, User
from pantheon.errors import NotFound


def parse_id(text: str | uuid.UUID) -> uuid.UUID:
    """Return the UUID; NotFound for anything malformed."""
    try:
        return text if isinstance(text, uuid.UUID) else uuid.UUID(text)
    except ValueError as error:
        raise NotFound() from error


def signed_in(request: Request) -> User:
    """Return who asks, on a view that only signed-in people reach."""
    assert isinstance(request.user, User)
    return request.user


def access_token(user: User, token_id: str) -> ApiToken:
    token = ApiToken.objects.filter(user=user, pk=parse_id(token_id)).first()
    if token is None:
        raise NotFound()
    return token
