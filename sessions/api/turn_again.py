"""API: new versions of a turn, and forks."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from django.http import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import signed_in
from accounts.api.base import ApiView
from accounts.models import ApiToken
from sessions.access import access_session, access_turn
from sessions.api.base import AsyncAPIView, LimitedAsTurns
from sessions.api.chats import SessionSerializer
from sessions.api.fields import AskedModeField, ModelAliasField
from sessions.api.turn_schema import TURN_ANSWERS, TURN_ERRORS, WRITTEN
from sessions.api.turns import (
    MAX_MESSAGE_CHARS,
    AnswerOptions,
    answer,
    idempotency_key,
    known_turn,
    not_blank,
    options_of,
    request_digest,
    token_of,
)
from sessions.services.fork import session_fork
from sessions.services.turn_accept import Accepted
from sessions.services.turn_again import turn_rerun, turn_retry
from web.api.schema import operation


class RerunSerializer(AnswerOptions):
    message = serializers.CharField(
        max_length=MAX_MESSAGE_CHARS,
        trim_whitespace=False,
        required=False,
        validators=[not_blank],
        help_text="Another text; else the same.",
    )
    mode = AskedModeField(
        required=False,
        help_text="Another mode; else the same.",
    )
    agents = serializers.ListField(
        child=serializers.CharField(max_length=64),
        required=False,
        allow_empty=False,
        max_length=100,
        help_text="Keys of those who are asked again; good answers of the others are kept.",
    )
    model = ModelAliasField(allow_null=False, help_text="The alias of a model that all who are asked run on.")


def again(summary: str, request: type[AnswerOptions]) -> Any:
    return operation(summary, request=request, parameters=WRITTEN, answers=TURN_ANSWERS, errors=TURN_ERRORS)


class TurnAgainView(LimitedAsTurns, AsyncAPIView):
    """What retry and rerun share: both cost money, so both wait, stream and take an idempotency key like a new turn."""

    write_scope = ApiToken.Scope.CHAT
    serializer_class: type[AnswerOptions] = AnswerOptions

    def make(self, request: Request, turn_id: str) -> Awaitable[HttpResponseBase]:
        accepted, options = self._accept(request, turn_id)
        return answer(accepted, stream=options["stream"], background=options["background"])

    def _accept(self, request: Request, turn_id: str) -> tuple[Accepted, dict[str, Any]]:
        turn = access_turn(signed_in(request), turn_id)
        if (known := known_turn(request)) is not None:
            return known, options_of(request)
        data = self.serializer_class(data=request.data)
        data.is_valid(raise_exception=True)
        fields = dict(data.validated_data)
        options = {name: fields.pop(name) for name in ("stream", "background")}
        accepted = self.accept(
            user=signed_in(request),
            turn=turn,
            idempotency_key=idempotency_key(request),
            digest=request_digest(request),
            token=token_of(request),
            **fields,
        )
        return accepted, options

    def accept(self, **fields: Any) -> Accepted:
        raise NotImplementedError


class TurnRetryView(TurnAgainView):
    """Keep the good answers, ask only those who failed."""

    @again("Ask again only those who failed", AnswerOptions)
    def post(self, request: Request, turn_id: str) -> Awaitable[HttpResponseBase]:
        return self.make(request, turn_id)

    def accept(self, **fields: Any) -> Accepted:
        return turn_retry(**fields)


class TurnRerunView(TurnAgainView):
    """Run the newest turn again, with something changed or not."""

    serializer_class = RerunSerializer

    @again("Run the newest turn again, with something changed or not", RerunSerializer)
    def post(self, request: Request, turn_id: str) -> Awaitable[HttpResponseBase]:
        return self.make(request, turn_id)

    def accept(self, **fields: Any) -> Accepted:
        return turn_rerun(**fields)


class ForkSerializer(serializers.Serializer[Any]):
    after_turn = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, help_text="The index of the last turn that is kept; 0: none."
    )


class SessionForkView(ApiView):
    write_scope = ApiToken.Scope.CHAT

    @operation(
        "Go on from an earlier turn in a session of its own, at no cost",
        request=ForkSerializer,
        answers={201: SessionSerializer},
    )
    def post(self, request: Request, session_id: str) -> Response:
        session = access_session(signed_in(request), session_id)
        data = ForkSerializer(data=request.data)
        data.is_valid(raise_exception=True)
        fork = session_fork(user=signed_in(request), session=session, **data.validated_data)
        return Response(SessionSerializer(fork).data, status=201)
