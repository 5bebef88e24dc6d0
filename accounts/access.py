"""Resolve ids from requests to rows that the user may access."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import Permission
from django.db.models import Q
from django.http import HttpRequest
from rest_framework.request import Request

from accounts.models import ApiToken, Invitation, User
from web.errors import NotFound, PantheonError


def parse_id(text: str | uuid.UUID) -> uuid.UUID:
    """Return the UUID. Raises NotFound if it is malformed."""
    try:
        return text if isinstance(text, uuid.UUID) else uuid.UUID(text)
    except ValueError as error:
        raise NotFound() from error


def signed_in(request: Request) -> User:
    """Return the user of an API request, on a view that requires authentication."""
    assert isinstance(request.user, User)
    return request.user


def asker(request: HttpRequest) -> User:
    """Return the user of a page request, on a page that requires signing in."""
    assert isinstance(request.user, User)
    return request.user


def access_invitation(invitation_id: str) -> Invitation:
    """Return an invitation; the view has already checked the staff permission. Raises NotFound."""
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
    """Return a user whom this member of staff may manage. Raises NotFound, `permission_denied`."""
    person = User.objects.select_related("team").filter(pk=parse_id(user_id)).first()
    if person is None:
        raise NotFound("No user has this id.")
    if not may_act_on(asker, person):
        raise PantheonError(
            "permission_denied", "Only administrators can do this: the account has rights that you lack."
        )
    return person


def may_act_on(actor: User, person: User) -> bool:
    """Return whether staff may manage an account. Superusers may manage all, others only non-staff without more rights.

    The person's permissions are read from the tables because `get_all_permissions` of a suspended account is empty.
    """
    if actor.is_superuser:
        return True
    if person.is_staff or person.is_superuser:
        return False
    granted = Permission.objects.filter(Q(user=person) | Q(group__user=person)).distinct()
    permissions = {
        f"{label}.{name}" for label, name in granted.values_list("content_type__app_label", "codename")
    }
    return permissions <= actor.get_all_permissions()
