"""API: turns. POST sends a message and waits for the answers, streams them, or responds at once."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence
from typing import Any

from django.http import HttpResponseBase
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import signed_in
from accounts.models import ApiToken, User
from sessions.access import access_session, access_turn, files_to_send
from sessions.api.base import AsyncAPIView, LimitedAsTurns
from sessions.api.sized_pages import SizedPages
from sessions.api.turn_answers import answer
from sessions.api.turn_requests import TurnRequestSerializer, accept_posted
from sessions.api.turn_schema import TURN_ANSWERS, TURN_ERRORS, WRITTEN
from sessions.models import Turn
from sessions.selectors.portions import text_sizes
from sessions.selectors.turn_shapes import TurnShape
from sessions.selectors.turns import turn_json, turns_json
from sessions.services.turn_accept import turn_accept
from sessions.services.turn_cancel import turn_cancel
from sessions.services.turn_request import TurnRequest
from web.api.schema import PAGE, operation, page_of


class TurnPages(SizedPages):
    def sizes(self, rows: Sequence[Turn]) -> Iterable[int]:
        return (chars for _, chars in text_sizes([turn.pk for turn in rows]))


class TurnsView(LimitedAsTurns, AsyncAPIView, GenericAPIView[Turn]):
    """The turns of a session; POST sends a message."""

    write_scope = ApiToken.Scope.CHAT
    pagination_class = TurnPages

    @operation("List the turns of a session", parameters=PAGE, answers=page_of("TurnPage", TurnShape))
    def get(self, request: Request, session_id: str) -> Response:
        session = access_session(signed_in(request), session_id)
        page = self.paginate_queryset(Turn.objects.spoken().without_snapshot().filter(session=session))
        return self.get_paginated_response(turns_json(page or []))

    @operation(
        "Send a message",
        request=TurnRequestSerializer,
        parameters=WRITTEN,
        answers=TURN_ANSWERS,
        errors=TURN_ERRORS,
    )
    def post(self, request: Request, session_id: str) -> Awaitable[HttpResponseBase]:
        session = access_session(signed_in(request), session_id)

        def make(*, user: User, token: ApiToken | None, files: Sequence[str] = (), **fields: Any) -> Turn:
            asked = TurnRequest(files=tuple(files_to_send(user, files)), **fields)
            return turn_accept(user=user, session=session, request=asked, token=token)

        accepted, options = accept_posted(request, TurnRequestSerializer, make)
        return answer(accepted, **options)


class TurnView(AsyncAPIView):
    @operation("Read a turn", answers=TurnShape)
    def get(self, request: Request, turn_id: str) -> Response:
        return Response(turn_json(access_turn(signed_in(request), turn_id)))


class TurnCancelView(AsyncAPIView):
    write_scope = ApiToken.Scope.CHAT

    @operation(
        "Cancel a turn; its text and cost are kept",
        request=None,
        answers={202: TurnShape},
        errors=["turn_final"],
    )
    def post(self, request: Request, turn_id: str) -> Response:
        turn = turn_cancel(turn=access_turn(signed_in(request), turn_id))
        return Response(turn_json(turn), status=202, headers={"Location": f"/api/v1/turns/{turn.pk}"})
