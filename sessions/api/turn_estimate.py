"""API: estimate the cost of a turn before it is sent."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import signed_in
from accounts.api.base import ApiView
from accounts.models import ApiToken, User
from billing.selectors.shapes import usd
from sessions.access import access_session, files_to_send
from sessions.api.turn_requests import TurnRequestSerializer, fields_of
from sessions.api.turn_schema import PLAN_ERRORS
from sessions.services.turn_estimate import turn_estimate
from sessions.services.turn_request import TurnRequest
from web.api.schema import operation
from web.api.shapes import Shape, count, flag
from web.errors import PantheonError

_estimating: set[uuid.UUID] = set()
_marking = threading.Lock()
"""Requests are answered by several threads; nothing blocks while it is held."""


@contextmanager
def only_estimate(user: User) -> Iterator[None]:
    """Let a user estimate one turn at a time in this process. Raises `rate_limited`.

    Estimates cost nothing, and that of a large council takes as long as many other requests: without this, one user's
    could occupy all threads.
    """
    with _marking:
        if user.pk in _estimating:
            raise PantheonError(
                "rate_limited",
                "Another estimate is running. Try again in a second.",
                headers={"Retry-After": "1"},
            )
        _estimating.add(user.pk)
    try:
        yield
    finally:
        with _marking:
            _estimating.discard(user.pk)


class EstimateShape(Shape):
    calls = count("Usual number of model calls.")
    low_usd = usd("Minimum cost; null: a model is unpriced.", of="low_pico", allow_null=True)
    typical_usd = usd("Usual cost; null: a model is unpriced.", of="typical_pico", allow_null=True)
    high_usd = usd("Maximum cost; null: a model is unpriced.", of="high_pico", allow_null=True)
    fits_budget = flag(
        "Whether every hard budget has enough left for the usual cost and for the maximum of the first call."
    )


class TurnEstimateView(ApiView):
    """The amounts are null if a model is unpriced."""

    write_scope = ApiToken.Scope.CHAT

    @operation(
        "Estimate the cost of a turn; nothing is stored",
        request=TurnRequestSerializer,
        answers=EstimateShape,
        errors=PLAN_ERRORS,
    )
    def post(self, request: Request, session_id: str) -> Response:
        session = access_session(signed_in(request), session_id)
        fields = fields_of(request, TurnRequestSerializer)
        asked = TurnRequest(
            message=fields["message"],
            mode=fields.get("mode"),
            max_rounds=fields.get("max_rounds"),
            files=tuple(files_to_send(signed_in(request), fields.get("files", ()))),
        )
        with only_estimate(signed_in(request)):
            estimate = turn_estimate(user=signed_in(request), session=session, request=asked)
        return Response(EstimateShape.render(estimate))
