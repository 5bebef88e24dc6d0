"""Invitations API, for staff."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import access_invitation, signed_in
from accounts.api.base import AdminApiView
from accounts.models import Invitation, Team
from accounts.services.invitations import invitation_change, invitation_create, invitation_revoke
from web.addresses import instance_url
from web.api.schema import operation
from web.api.shapes import TeamShape

PERMISSIONS = {
    "GET": "accounts.view_invitation",
    "POST": "accounts.add_invitation",
    "PATCH": "accounts.change_invitation",
    "DELETE": "accounts.delete_invitation",
}


class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    """`team` is an id or null in a request; a response has the team's name too."""

    email = serializers.EmailField(max_length=254, help_text="The invited email address.")
    team = serializers.PrimaryKeyRelatedField(
        queryset=Team.objects.all(),
        pk_field=serializers.UUIDField(),
        allow_null=True,
        required=False,
        help_text="Id of the team that the user will join.",
    )
    created_by = serializers.EmailField(
        source="created_by.email", read_only=True, allow_null=True, default=None, help_text="Who invited."
    )

    class Meta:
        model = Invitation
        fields = (
            *("id", "email", "team", "state", "created_by", "created_at", "expires_at", "mailed_at"),
            *("accepted_at", "revoked_at"),
        )
        read_only_fields = ("id", "state", "created_at", "mailed_at", "accepted_at", "revoked_at")
        extra_kwargs = {
            "id": {"help_text": "The invitation."},
            "state": {"help_text": "open, accepted, revoked or expired."},
            "created_at": {"help_text": "RFC 3339, UTC."},
            "expires_at": {"required": False, "help_text": "RFC 3339, UTC."},
            "mailed_at": {"help_text": "RFC 3339, UTC; null: no mail was sent."},
            "accepted_at": {"help_text": "RFC 3339, UTC; null: not accepted."},
            "revoked_at": {"help_text": "RFC 3339, UTC; null: not revoked."},
        }


class InvitationChangeSerializer(InvitationSerializer):
    email = serializers.EmailField(read_only=True, help_text="The invited email address.")


class InvitationShape(InvitationSerializer):
    """An invitation in a response."""

    team = TeamShape(  # type: ignore[assignment]
        allow_null=True, read_only=True, help_text="The team that the user will join."
    )


class NewInvitationShape(InvitationShape):
    # The context has the `url`, which is not stored.
    url = serializers.SerializerMethodField(help_text="The link, which is shown once.")

    @extend_schema_field(OpenApiTypes.URI)
    def get_url(self, invitation: Invitation) -> str:
        url: str = self.context["url"]
        return url

    class Meta(InvitationShape.Meta):
        fields = (*InvitationShape.Meta.fields, "url")  # type: ignore[assignment]


@extend_schema_view(get=operation("List invitations", answers=InvitationShape(many=True)))
class InvitationsView(AdminApiView, ListAPIView[Invitation]):
    serializer_class = InvitationShape
    staff_permissions = PERMISSIONS

    def get_queryset(self) -> Any:
        return Invitation.objects.select_related("team", "created_by")

    @operation(
        "Create an invitation (link returned once)",
        request=InvitationSerializer,
        answers={201: NewInvitationShape},
    )
    def post(self, request: Request) -> Response:
        serializer = InvitationSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = serializer.validated_data
        with transaction.atomic(durable=True):
            invitation, url = invitation_create(
                email=data["email"],
                team=data.get("team"),
                actor=signed_in(request),
                base_url=instance_url(request._request),
                expires_at=data.get("expires_at"),
            )
        return Response(NewInvitationShape(invitation, context={"url": url}).data, status=201)


class InvitationView(AdminApiView):
    staff_permissions = PERMISSIONS

    @operation("Read an invitation", answers=InvitationShape)
    def get(self, request: Request, invitation_id: str) -> Response:
        return Response(InvitationShape(access_invitation(invitation_id)).data)

    @operation("Change an open invitation", request=InvitationChangeSerializer, answers=InvitationShape)
    def patch(self, request: Request, invitation_id: str) -> Response:
        invitation = access_invitation(invitation_id)
        serializer = InvitationChangeSerializer(invitation, data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        changes = {"team": invitation.team, "expires_at": invitation.expires_at, **serializer.validated_data}
        with transaction.atomic(durable=True):
            invitation_change(invitation=invitation, actor_id=signed_in(request).pk, **changes)
        return Response(InvitationShape(invitation).data)

    @operation("Revoke an invitation", answers={204: None}, errors=["validation_error"])
    def delete(self, request: Request, invitation_id: str) -> Response:
        invitation = access_invitation(invitation_id)
        with transaction.atomic(durable=True):
            invitation_revoke(invitation=invitation, actor_id=signed_in(request).pk)
        return Response(status=204)
