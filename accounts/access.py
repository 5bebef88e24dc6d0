"""Ids from outside become rows here, and only rows that belong to the asker."""

from __future__ import annotations

import uuid

from django.http import HttpRequest
from rest_framework.request import Request

from accounts.models import ApiToken, Invitation, User
from pantheon.errors import NotFound, PantheonError


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


def asker(request: HttpRequest) -> User:
    """Return who asks for a page that only signed-in people reach."""
    assert isinstance(request.user, User)
    return request.user


def access_invitation(invitation_id: str) -> Invitation:
    """Return an invitation; the view has checked that staff ask."""
    rows = Invitation.objects.select_related("team", "created_by")
    invitation = rows.filter(pk=parse_id(invitation_id)).first()
    if invitation is None:
        raise NotFound()
    return invitation


def access_token(user: User, token_id: str) -> ApiToken:
    token = ApiToken.objects.filter(user=user, pk=parse_id(token_id)).first()
    if token is None:
        raise NotFound()
    return token


def access_person(asker: User, user_id: str) -> User:
    """Return a person whose account this member of staff may change: an administrator's only administrators may."""
    person = User.objects.select_related("team").filter(pk=parse_id(user_id)).first()
    if person is None:
        raise NotFound("Nobody has this id.")
    if person.is_superuser and not asker.is_superuser:
        raise PantheonError("permission_denied", "Only administrators change an administrator's account.")
    return person
