"""User management API, for staff."""

from __future__ import annotations

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import access_person, parse_id, signed_in
from accounts.api.base import AdminApiView
from accounts.services.people import user_reactivate, user_suspend
from web.api.schema import operation
from web.api.shapes import ManagedPersonShape
from web.errors import ValidationFailed


class UserSuspendView(AdminApiView):
    staff_permissions = {"POST": "accounts.change_user"}

    @operation(
        "Suspend a user: sessions and tokens stop working at once, running turns are cancelled",
        request=None,
        answers=ManagedPersonShape,
        errors=["validation_error"],
    )
    def post(self, request: Request, user_id: str) -> Response:
        asker = signed_in(request)
        if parse_id(user_id) == asker.pk:
            raise ValidationFailed({"id": ["You can't suspend your own account. Ask another administrator."]})
        person = access_person(asker, user_id)
        with transaction.atomic(durable=True):
            user_suspend(user=person, actor_id=asker.pk)
        return Response(ManagedPersonShape.render(person))


class UserReactivateView(AdminApiView):
    staff_permissions = {"POST": "accounts.change_user"}

    @operation("Reactivate a user", request=None, answers=ManagedPersonShape)
    def post(self, request: Request, user_id: str) -> Response:
        asker = signed_in(request)
        person = access_person(asker, user_id)
        with transaction.atomic(durable=True):
            user_reactivate(user=person, actor_id=asker.pk)
        return Response(ManagedPersonShape.render(person))
