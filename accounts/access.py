"""Ids from outside become rows here, and only rows that belong to the asker."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import Permission
from django.db.models import Q
from django.http import HttpRequest
from rest_framework.request import Request

from accounts.models import ApiToken, Invitation, User
from web.errors import NotFound, PantheonError


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
    """Return a person whose account this member of staff may act on. Raises NotFound, `permission_denied`."""
    person = User.objects.select_related("team").filter(pk=parse_id(user_id)).first()
    if person is None:
        raise NotFound("Nobody has this id.")
    if not may_act_on(asker, person):
        raise PantheonError(
            "permission_denied", "Only administrators can do this: the account has rights that you lack."
        )
    return person


def may_act_on(actor: User, person: User) -> bool:
    """Tell whether staff may act on an account: superusers on any; others on none of staff or with more rights.

    The person's permissions are read from their tables: `get_all_permissions` of a suspended account is empty.
    """
    if actor.is_superuser:
        return True
    if person.is_staff or person.is_superuser:
        return False
    given = Permission.objects.filter(Q(user=person) | Q(group__user=person)).distinct()
    held = {f"{label}.{name}" for label, name in given.values_list("content_type__app_label", "codename")}
    return held <= actor.get_all_permissions()
