"""API: turns. The one place where a request waits for models, and it holds no database connection while it does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Iterable
from itertools import accumulate
from typing import Any

from django.conf import settings
from django.http import HttpResponseBase
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import signed_in
from accounts.models import ApiToken
from sessions.access import access_session, access_turn
from sessions.api.base import AsyncAPIView, LimitedAsTurns
from sessions.api.events import event_stream, wait_until_final
from sessions.api.fields import AskedModeField
from sessions.api.shapes import TurnShape
from sessions.api.turn_schema import TURN_ANSWERS, TURN_ERRORS, WRITTEN
from sessions.live.database import read_in_request
from sessions.models import Turn
from sessions.selectors.portions import said_in
from sessions.selectors.turns import turn_json, turn_json_by_id, turns_json
from sessions.services.turn_accept import Accepted, turn_accept, turn_of_key
from sessions.services.turn_cancel import turn_cancel
from sessions.services.turn_request import TurnRequest
from web.api.pagination import NewestFirst
from web.api.schema import PAGE, operation, page_of
from web.errors import HTTP_STATUS, PantheonError, ValidationFailed

MAX_MESSAGE_CHARS = 100_000
MAX_KEY_CHARS = 255

MAX_PAGE_CHARS = 10_000_000
"""What was said in the turns of one page, unless it is a single turn."""


def not_blank(text: str) -> None:
    """Refuse white space alone."""
    if not text.strip():
        raise serializers.ValidationError("Write a message.")


class AnswerOptions(serializers.Serializer[Any]):
    """How the answer is wanted."""

    stream = serializers.BooleanField(default=False, help_text="Answer with the events as they happen.")
    background = serializers.BooleanField(default=False, help_text="Answer at once.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["stream"] and attrs["background"]:
            raise serializers.ValidationError({"background": "Choose stream or background, not both."})
        return attrs


class TurnRequestSerializer(AnswerOptions):
    message = serializers.CharField(
        max_length=MAX_MESSAGE_CHARS,
        trim_whitespace=False,
        validators=[not_blank],
        help_text="What the council is asked. Tags (`@key`, `@all`) say who answers.",
    )
    mode = AskedModeField(
        required=False,
        allow_null=True,
        help_text="Of this turn; null: the room's. A session with one agent has `direct` alone.",
    )
    max_rounds = serializers.IntegerField(
        min_value=1,
        max_value=3,
        required=False,
        allow_null=True,
        help_text="Rounds that the manager may take in this turn; null: the room's.",
    )
    index = serializers.IntegerField(
        min_value=1,
        max_value=2**31 - 1,
        required=False,
        allow_null=True,
        help_text="The place in the session that the turn is expected to get.",
    )


class TurnPages(NewestFirst):
    """Pages that end early where much was said: each turn of two hundred may be as long as a book."""

    most = NewestFirst.max_page_size

    def get_page_size(self, request: Request) -> int:
        return min(super().get_page_size(request), self.most)

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        page: Any = super().paginate_queryset(queryset, request, view)
        if not page:
            return page
        is_backwards = self.cursor is not None and self.cursor.reverse
        from_cursor = page[::-1] if is_backwards else page
        self.most = how_many(chars for _, chars in said_in([turn.pk for turn in from_cursor]))
        return page if self.most == len(page) else super().paginate_queryset(queryset, request, view)


def how_many(sizes: Iterable[int]) -> int:
    """Return how many turns, of which each has so many characters, are one page: at least one."""
    fitting = sum(total <= MAX_PAGE_CHARS for total in accumulate(sizes))
    return max(1, fitting)


class TurnsView(LimitedAsTurns, AsyncAPIView, GenericAPIView[Turn]):
    """The turns of a session; POST asks the council."""

    write_scope = ApiToken.Scope.CHAT
    pagination_class = TurnPages

    @operation("List the turns of a session", parameters=PAGE, answers=page_of("TurnPage", TurnShape))
    def get(self, request: Request, session_id: str) -> Response:
        session = access_session(signed_in(request), session_id)
        page = self.paginate_queryset(Turn.objects.spoken().without_snapshot().filter(session=session))
        return self.get_paginated_response(turns_json(page or []))

    @operation(
        "Ask the council",
        request=TurnRequestSerializer,
        parameters=WRITTEN,
        answers=TURN_ANSWERS,
        errors=TURN_ERRORS,
    )
    def post(self, request: Request, session_id: str) -> Awaitable[HttpResponseBase]:
        accepted, options = self._accept(request, session_id)
        return answer(accepted, stream=options["stream"], background=options["background"])

    def _accept(self, request: Request, session_id: str) -> tuple[Accepted, dict[str, Any]]:
        session = access_session(signed_in(request), session_id)
        if (known := known_turn(request)) is not None:
            return known, options_of(request)
        data = TurnRequestSerializer(data=request.data)
        data.is_valid(raise_exception=True)
        fields = data.validated_data
        turn_request = TurnRequest(
            message=fields["message"],
            mode=fields.get("mode"),
            max_rounds=fields.get("max_rounds"),
            index=fields.get("index"),
            idempotency_key=idempotency_key(request),
            digest=request_digest(request),
        )
        accepted = turn_accept(
            user=signed_in(request), session=session, request=turn_request, token=token_of(request)
        )
        return accepted, fields


def token_of(request: Request) -> ApiToken | None:
    """Return the API token that asks, None in the browser."""
    return request.auth if isinstance(request.auth, ApiToken) else None


def idempotency_key(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and (not key.strip() or len(key) > MAX_KEY_CHARS or not key.isprintable()):
        raise ValidationFailed({"Idempotency-Key": [f"1 to {MAX_KEY_CHARS} printable characters."]})
    return key


def request_digest(request: Request) -> str:
    """Return the SHA-256 of a request's path and body, the order of its keys aside."""
    text = f"{request.path}\n{json.dumps(request.data, sort_keys=True)}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def known_turn(request: Request) -> Accepted | None:
    """Return the turn that an earlier request of the same key made: looked at before all that may be refused by now.

    Raises `idempotency_mismatch`.
    """
    turn = turn_of_key(signed_in(request), idempotency_key(request), request_digest(request))
    return None if turn is None else Accepted(turn, replayed=True)


def options_of(request: Request) -> dict[str, Any]:
    """Return `stream` and `background`. Raises ValidationError."""
    options = AnswerOptions(data=request.data)
    options.is_valid(raise_exception=True)
    return options.validated_data


async def answer(accepted: Accepted, *, stream: bool, background: bool) -> HttpResponseBase:
    """Answer a request for a turn: its event stream, 202 at once, or the finished turn."""
    turn = accepted.turn
    headers = {"Location": f"/api/v1/turns/{turn.pk}"}
    if accepted.replayed:
        headers["Idempotent-Replayed"] = "true"
    if stream:
        return event_stream(turn, after=0, headers=headers)
    final = not background and await wait_until_final(turn.pk, settings.PANTHEON_WAIT_S)
    body = await read_in_request(turn_json_by_id, turn.pk)
    if not final:
        return Response(body, status=202, headers=headers)
    if body["status"] == Turn.Status.FAILED:
        raise turn_error(body, headers)
    return Response(body, status=201, headers=headers)


def turn_error(body: dict[str, Any], headers: dict[str, str]) -> PantheonError:
    """Return the error of a turn on which nobody answered: stored and billed, so it must not be sent again."""
    error = body["error"] or {"code": "internal_error", "message": "Nobody answered.", "retryable": False}
    code = error["code"] if error["code"] in HTTP_STATUS else "internal_error"
    if body["usage"]["calls"]:
        headers = {**headers, "x-should-retry": "false"}
    details = {"turn_id": body["id"]}
    return PantheonError(code, error["message"], details, headers=headers, retryable=error["retryable"])


class TurnView(AsyncAPIView):
    @operation("Read a turn", answers=TurnShape)
    def get(self, request: Request, turn_id: str) -> Response:
        return Response(turn_json(access_turn(signed_in(request), turn_id)))


class TurnCancelView(AsyncAPIView):
    write_scope = ApiToken.Scope.CHAT

    @operation(
        "Stop a turn; what was said and spent stays",
        request=None,
        answers={202: TurnShape},
        errors=["turn_final"],
    )
    def post(self, request: Request, turn_id: str) -> Response:
        turn = turn_cancel(turn=access_turn(signed_in(request), turn_id))
        return Response(turn_json(turn), status=202, headers={"Location": f"/api/v1/turns/{turn.pk}"})
