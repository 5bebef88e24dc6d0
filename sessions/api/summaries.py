"""API: summaries of a session: the list, summarize now, edit and pin."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from django.conf import settings
from django.http import HttpResponseBase
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import signed_in
from accounts.api.base import ApiView
from accounts.models import ApiToken, User
from orchestration.engine.summary import MAX_ITEMS
from sessions.access import access_session, access_summary
from sessions.api.base import AsyncAPIView, LimitedAsTurns
from sessions.api.events import wait_until_final
from sessions.api.turn_answers import headers_of
from sessions.api.turn_requests import accept_posted
from sessions.api.turn_schema import WRITTEN
from sessions.live.database import read_in_request
from sessions.models import Summary, Turn
from sessions.selectors.summaries import SummaryShape
from sessions.selectors.turn_shapes import TurnShape
from sessions.selectors.turns import turn_json_by_id
from sessions.services.accept_once import AcceptedTurn
from sessions.services.summaries import summary_accept, summary_update
from sessions.services.turn_request import TurnRequest
from web.api.schema import PAGE, operation, page_of
from web.errors import PantheonError

SUMMARY_ERRORS = (
    *("turn_in_progress", "idempotency_mismatch", "budget_exceeded", "model_unavailable"),
    "no_room_agents",
)


class ItemSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(help_text="Text of the item.")
    message_seq = serializers.IntegerField(
        min_value=1,
        max_value=2**31 - 1,
        required=False,
        allow_null=True,
        help_text="`seq` of the source message.",
    )
    pinned = serializers.BooleanField(default=False, help_text="Kept in all later summaries.")


def item_list(help_text: str) -> serializers.ListSerializer[Any]:
    return serializers.ListSerializer(
        child=ItemSerializer(), required=False, max_length=MAX_ITEMS, help_text=help_text
    )


class SummaryChangeSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(required=False, help_text="Text of the summary.")
    key_facts = item_list("Facts.")
    decisions = item_list("Decisions.")
    open_questions = item_list("Open questions.")
    action_items = item_list("Tasks.")


class SummarizeSerializer(serializers.Serializer[Any]):
    background = serializers.BooleanField(
        default=False, help_text="Respond at once, without waiting for the summary."
    )


class SummariesView(LimitedAsTurns, AsyncAPIView, GenericAPIView[Summary]):
    """The summaries of a session; POST creates one now."""

    write_scope = ApiToken.Scope.CHAT

    @operation(
        "List the summaries of a session", parameters=PAGE, answers=page_of("SummaryPage", SummaryShape)
    )
    def get(self, request: Request, session_id: str) -> Response:
        session = access_session(signed_in(request), session_id)
        page = self.paginate_queryset(Summary.objects.filter(session=session))
        return self.get_paginated_response(SummaryShape.render_all(page or []))

    @operation(
        "Summarize now",
        request=SummarizeSerializer,
        parameters=WRITTEN,
        answers={201: SummaryShape, 202: TurnShape},
        errors=[*SUMMARY_ERRORS, "turn_final"],
    )
    def post(self, request: Request, session_id: str) -> Awaitable[HttpResponseBase]:
        session = access_session(signed_in(request), session_id)

        def make(*, user: User, token: ApiToken | None, **fields: Any) -> Turn:
            wanted = TurnRequest(message="", **fields)
            return summary_accept(user=user, session=session, request=wanted, token=token)

        accepted, options = accept_posted(request, SummarizeSerializer, make, options=SummarizeSerializer)
        return self._wait(accepted, **options)

    async def _wait(self, accepted: AcceptedTurn, background: bool) -> HttpResponseBase:
        final = not background and await wait_until_final(accepted.turn.pk, settings.PANTHEON_WAIT_S)
        return await read_in_request(self._answer, accepted, final)

    def _answer(self, accepted: AcceptedTurn, final: bool) -> Response:
        turn, headers = accepted.turn, headers_of(accepted)
        if not final:
            return Response(turn_json_by_id(turn.pk), status=202, headers=headers)
        summary = Summary.objects.filter(turn=turn).first()
        if summary is None:
            turn.refresh_from_db()
            raise no_summary(turn, headers)
        return Response(SummaryShape.render(summary), status=201, headers=headers)


def no_summary(turn: Turn, headers: dict[str, str]) -> PantheonError:
    """Return the error for a summarizing turn that was cancelled or given up."""
    details = {"turn_id": str(turn.pk)}
    if turn.calls.exists():
        headers = {**headers, "x-should-retry": "false"}
    if turn.status == Turn.Status.CANCELLED:
        return PantheonError("turn_final", "The summary was cancelled.", details, headers=headers)
    return PantheonError("internal_error", "The summary could not be created.", details, headers=headers)


class SummaryView(ApiView):
    write_scope = ApiToken.Scope.CHAT

    @operation(
        "Edit a summary: its text, or whole lists of items",
        request=SummaryChangeSerializer,
        answers=SummaryShape,
    )
    def patch(self, request: Request, summary_id: str) -> Response:
        summary = access_summary(signed_in(request), summary_id)
        data = SummaryChangeSerializer(data=request.data)
        data.is_valid(raise_exception=True)
        return Response(SummaryShape.render(summary_update(summary=summary, **data.validated_data)))
