"""API: who am I, and my tokens."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import access_token, signed_in
from accounts.api_base import ApiView
from accounts.models import ApiToken
from accounts.services import token_delete


class MeView(ApiView):
    def get(self, request: Request) -> Response:
        user = signed_in(request)
        return Response(
            {
                "id": str(user.pk),
                "email": user.email,
                "name": user.name,
                "team": user.team and {"id": str(user.team.pk), "name": user.team.name},
                "is_staff": user.is_staff,
            }
        )


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    class Meta:
        model = ApiToken
        fields = ("id", "name", "hint", "scopes", "created_at", "expires_at", "last_used_at")


class TokensView(ApiView, ListAPIView[ApiToken]):
    serializer_class = TokenSerializer

    def get_queryset(self) -> Any:
        return ApiToken.objects.filter(user=signed_in(self.request))


class TokenView(ApiView):
    write_scope = ApiToken.Scope.MANAGE

    def delete(self, request: Request, token_id: str) -> Response:
        token_delete(token=access_token(signed_in(request), token_id))
        return Response(status=204)
