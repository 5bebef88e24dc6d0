"""API: new versions of a turn, and forks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from django.http import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import signed_in
from accounts.models import ApiToken, User
from sessions.access import access_session, access_turn, files_to_send
from sessions.api.base import AsyncAPIView, LimitedAsTurns
from sessions.api.chats import SessionSerializer
from sessions.api.fields import AskedModeField, FilesField, ModelAliasField
from sessions.api.turn_answers import answer
from sessions.api.turn_requests import AnswerOptions, accept_posted, not_blank
from sessions.api.turn_schema import TURN_ANSWERS, TURN_ERRORS, WRITTEN
from sessions.models import Message, Turn
from sessions.services.fork import session_fork
from sessions.services.turn_again import turn_rerun, turn_retry
from web.api.schema import operation


class RerunSerializer(AnswerOptions):
    message = serializers.CharField(
        max_length=Message.MAX_CHARS,
        trim_whitespace=False,
        required=False,
        validators=[not_blank],
        help_text="New text; default: unchanged.",
    )
    files = FilesField(help_text="Ids of the files to attach, in order; default: unchanged.")
    mode = AskedModeField(
        required=False,
        help_text="New mode; default: unchanged.",
    )
    agents = serializers.ListField(
        child=serializers.CharField(max_length=64),
        required=False,
        allow_empty=False,
        max_length=100,
        help_text="Handles of the agents to ask again; the others' complete answers are kept.",
    )
    model = ModelAliasField(allow_null=False, help_text="Alias of the model for all agents that are asked.")


def again(summary: str, request: type[AnswerOptions]) -> Any:
    return operation(summary, request=request, parameters=WRITTEN, answers=TURN_ANSWERS, errors=TURN_ERRORS)


class TurnAgainView(LimitedAsTurns, AsyncAPIView):
    """Base of retry and rerun: both cost money, so both wait, stream and accept an idempotency key like a new turn."""

    write_scope = ApiToken.Scope.CHAT

    def make(
        self, request: Request, turn_id: str, *, body: type[AnswerOptions], accept: Callable[..., Turn]
    ) -> Awaitable[HttpResponseBase]:
        turn = access_turn(signed_in(request), turn_id)
        accepted, options = accept_posted(request, body, partial(accept, turn=turn))
        return answer(accepted, **options)


class TurnRetryView(TurnAgainView):
    """Keep the successful answers and ask only the agents that failed."""

    @again("Ask only the agents that failed", AnswerOptions)
    def post(self, request: Request, turn_id: str) -> Awaitable[HttpResponseBase]:
        return self.make(request, turn_id, body=AnswerOptions, accept=turn_retry)


class TurnRerunView(TurnAgainView):
    """Run the newest turn again, with or without changes."""

    @again("Run the newest turn again, optionally with changes", RerunSerializer)
    def post(self, request: Request, turn_id: str) -> Awaitable[HttpResponseBase]:
        def accept(*, user: User, files: Sequence[str] | None = None, **fields: Any) -> Turn:
            named = None if files is None else files_to_send(user, files)
            return turn_rerun(user=user, files=named, **fields)

        return self.make(request, turn_id, body=RerunSerializer, accept=accept)


class ForkSerializer(serializers.Serializer[Any]):
    after_turn = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, help_text="Index of the last turn to copy; 0: none."
    )


class SessionForkView(LimitedAsTurns):
    write_scope = ApiToken.Scope.CHAT

    @operation(
        "Copy a session up to a turn into a new session, at no cost",
        request=ForkSerializer,
        answers={201: SessionSerializer},
    )
    def post(self, request: Request, session_id: str) -> Response:
        session = access_session(signed_in(request), session_id)
        data = ForkSerializer(data=request.data)
        data.is_valid(raise_exception=True)
        fork = session_fork(user=signed_in(request), session=session, **data.validated_data)
        return Response(SessionSerializer(fork).data, status=201)
