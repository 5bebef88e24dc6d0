"""API: new versions of a turn, and forks."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import signed_in
from accounts.api_base import ApiView
from accounts.models import ApiToken
from sessions.access import access_session, access_turn
from sessions.api.base import AsyncAPIView, LimitedAsTurns
from sessions.api.chats import SessionSerializer
from sessions.api.fields import ModelAliasField
from sessions.api.turns import MAX_MESSAGE_CHARS, answer, idempotency_key, not_blank, request_digest, token_of
from sessions.live.database import read_in_request
from sessions.models import Room
from sessions.services.fork import session_fork
from sessions.services.turn_accept import Accepted
from sessions.services.turn_again import turn_rerun, turn_retry


class AnswerOptions(serializers.Serializer[Any]):
    """How the answer is wanted."""

    stream = serializers.BooleanField(default=False)
    background = serializers.BooleanField(default=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["stream"] and attrs["background"]:
            raise serializers.ValidationError({"background": "Choose stream or background, not both."})
        return attrs


class RerunSerializer(AnswerOptions):
    message = serializers.CharField(
        max_length=MAX_MESSAGE_CHARS, trim_whitespace=False, required=False, validators=[not_blank]
    )
    mode = serializers.ChoiceField(choices=[*Room.Mode.choices, ("direct", "direct")], required=False)
    agents = serializers.ListField(
        child=serializers.CharField(max_length=64), required=False, allow_empty=False, max_length=100
    )
    model = ModelAliasField(allow_null=False)


class TurnAgainView(LimitedAsTurns, AsyncAPIView):
    """What retry and rerun share: both cost money, so both wait, stream and take an idempotency key like a new turn."""

    write_scope = ApiToken.Scope.CHAT
    serializer_class: type[AnswerOptions] = AnswerOptions

    async def post(self, request: Request, turn_id: str) -> HttpResponseBase:
        accepted, options = await read_in_request(self._accept, request, turn_id)
        return await answer(accepted, stream=options["stream"], background=options["background"])

    def _accept(self, request: Request, turn_id: str) -> tuple[Accepted, dict[str, Any]]:
        turn = access_turn(signed_in(request), turn_id)
        data = self.serializer_class(data=request.data)
        data.is_valid(raise_exception=True)
        fields = dict(data.validated_data)
        options = {name: fields.pop(name) for name in ("stream", "background")}
        accepted = self.accept(
            user=signed_in(request),
            turn=turn,
            idempotency_key=idempotency_key(request),
            digest=request_digest(request.path, request.data),
            token=token_of(request),
            **fields,
        )
        return accepted, options

    def accept(self, **fields: Any) -> Accepted:
        raise NotImplementedError


class TurnRetryView(TurnAgainView):
    """Keep the good answers, ask only those who failed."""

    def accept(self, **fields: Any) -> Accepted:
        return turn_retry(**fields)


class TurnRerunView(TurnAgainView):
    """Run the newest turn again, with something changed or not."""

    serializer_class = RerunSerializer

    def accept(self, **fields: Any) -> Accepted:
        return turn_rerun(**fields)


class ForkSerializer(serializers.Serializer[Any]):
    after_turn = serializers.IntegerField(min_value=0, max_value=2**31 - 1)


class SessionForkView(ApiView):
    write_scope = ApiToken.Scope.CHAT

    def post(self, request: Request, session_id: str) -> Response:
        session = access_session(signed_in(request), session_id)
        data = ForkSerializer(data=request.data)
        data.is_valid(raise_exception=True)
        fork = session_fork(user=signed_in(request), session=session, **data.validated_data)
        return Response(SessionSerializer(fork).data, status=201)
