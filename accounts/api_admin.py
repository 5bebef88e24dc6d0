"""API for staff: what the administration does with people, for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import transaction
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import access_person, signed_in
from accounts.api_base import ApiView
from accounts.api_schema import operation
from accounts.api_shapes import ManagedPersonShape
from accounts.models import ApiToken, User
from accounts.permissions import SignedInWithScope
from accounts.services import user_reactivate, user_suspend
from pantheon.errors import PantheonError, ValidationFailed


class StaffWithPermission(BasePermission):
    """Staff who have the permission that the view names for the method; with the scope `admin` where a token asks."""

    def has_permission(self, request: Request, view: Any) -> bool:
        user = signed_in(request)
        needed = view.permissions_needed.get(request.method)
        if not user.is_staff or (needed is not None and not user.has_perm(needed)):
            raise PantheonError("permission_denied", "Only staff with the permission for it may do this.")
        if isinstance(request.auth, ApiToken) and ApiToken.Scope.ADMIN not in request.auth.scopes:
            raise PantheonError(
                "permission_denied", "This token lacks the scope 'admin'.", {"scope": "admin"}
            )
        return True


class AdminApiView(ApiView):
    """The base of what only staff may call."""

    permission_classes = [SignedInWithScope, StaffWithPermission]
    write_scope = ApiToken.Scope.ADMIN
    permissions_needed: ClassVar[Mapping[str, str]] = {}
    """Method -> permission."""


class UserSuspendView(AdminApiView):
    """Sessions and tokens of the person stop working at once."""

    permissions_needed = {"POST": "accounts.change_user"}

    @operation(
        "Suspend a person: sessions and tokens stop working at once",
        request=None,
        answers=ManagedPersonShape,
        errors=["validation_error"],
    )
    def post(self, request: Request, user_id: str) -> Response:
        asker = signed_in(request)
        person = access_person(asker, user_id)
        if person.pk == asker.pk:
            raise ValidationFailed({"id": ["Nobody suspends themselves: ask another administrator."]})
        with transaction.atomic(durable=True):
            user_suspend(user=person, actor_id=asker.pk)
        return Response(person_json(person))


class UserReactivateView(AdminApiView):
    permissions_needed = {"POST": "accounts.change_user"}

    @operation("Reactivate a person", request=None, answers=ManagedPersonShape)
    def post(self, request: Request, user_id: str) -> Response:
        asker = signed_in(request)
        person = access_person(asker, user_id)
        with transaction.atomic(durable=True):
            user_reactivate(user=person, actor_id=asker.pk)
        return Response(person_json(person))


def person_json(user: User) -> dict[str, Any]:
    return {
        "id": str(user.pk),
        "email": user.email,
        "name": user.name,
        "team": user.team and {"id": str(user.team.pk), "name": user.team.name},
        "is_staff": user.is_staff,
        "is_active": user.is_active,
    }
