"""API of one's own account: identity and tokens."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_view
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import access_token, signed_in
from accounts.api.base import ApiView
from accounts.models import ApiToken
from accounts.services.people import token_delete
from web.api.schema import operation
from web.api.shapes import PersonShape


class MeView(ApiView):
    @operation("Read my account", answers=PersonShape)
    def get(self, request: Request) -> Response:
        return Response(PersonShape.render(signed_in(request)))


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    class Meta:
        model = ApiToken
        fields = ("id", "name", "hint", "scopes", "created_at", "expires_at", "last_used_at")
        extra_kwargs = {
            "id": {"help_text": "The token."},
            "name": {"help_text": "What its owner calls it."},
            "hint": {"help_text": "The first characters of the secret."},
            "scopes": {"help_text": "What it may do: `read`, `chat`, `manage`, `admin`."},
            "created_at": {"help_text": "RFC 3339, UTC."},
            "expires_at": {"help_text": "RFC 3339, UTC; null: never."},
            "last_used_at": {"help_text": "RFC 3339, UTC, to the minute; null: never."},
        }


@extend_schema_view(get=operation("List my tokens, without their secrets"))
class TokensView(ApiView, ListAPIView[ApiToken]):
    serializer_class = TokenSerializer

    def get_queryset(self) -> Any:
        return ApiToken.objects.filter(user=signed_in(self.request))


class TokenView(ApiView):
    write_scope = ApiToken.Scope.MANAGE

    @operation("Delete a token: it stops working at once", answers={204: None})
    def delete(self, request: Request, token_id: str) -> Response:
        token_delete(token=access_token(signed_in(request), token_id))
        return Response(status=204)
