"""Respond to turn requests. Only here does a request wait for models; it holds no database connection meanwhile."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpResponseBase
from rest_framework.response import Response

from sessions.api.events import event_stream, wait_until_final
from sessions.live.database import read_in_request
from sessions.models import Turn
from sessions.selectors.turns import turn_json_by_id
from sessions.services.accept_once import AcceptedTurn
from web.errors import HTTP_STATUS, PantheonError


async def answer(accepted: AcceptedTurn, *, stream: bool, background: bool) -> HttpResponseBase:
    """Respond to a turn request: with its event stream, 202 at once, or the finished turn."""
    turn, headers = accepted.turn, headers_of(accepted)
    if stream:
        return event_stream(turn, after=0, headers=headers)
    final = not background and await wait_until_final(turn.pk, settings.PANTHEON_WAIT_S)
    body = await read_in_request(turn_json_by_id, turn.pk)
    if not final:
        return Response(body, status=202, headers=headers)
    if body["status"] == Turn.Status.FAILED:
        raise turn_error(body, headers)
    return Response(body, status=201, headers=headers)


def headers_of(accepted: AcceptedTurn) -> dict[str, str]:
    """Return the headers of every response to a turn request."""
    headers = {"Location": f"/api/v1/turns/{accepted.turn.pk}"}
    if accepted.replayed:
        headers["Idempotent-Replayed"] = "true"
    return headers


def turn_error(body: dict[str, Any], headers: dict[str, str]) -> PantheonError:
    """Return the error for a turn without any answer: it is stored and billed, so clients must not send it again."""
    error = body["error"] or {"code": "internal_error", "message": "Nobody answered.", "retryable": False}
    code = error["code"] if error["code"] in HTTP_STATUS else "internal_error"
    if body["usage"]["calls"]:
        headers = {**headers, "x-should-retry": "false"}
    details = {**error.get("details", {}), "turn_id": body["id"]}
    return PantheonError(code, error["message"], details, headers=headers, retryable=error["retryable"])
