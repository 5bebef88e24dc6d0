"""Estimate the cost of a turn: planned like an accepted one, but not stored."""

from __future__ import annotations

from django.db import transaction

from accounts.models import User
from billing.models import ZERO_UUID
from billing.payer import Payer
from billing.selectors.estimates import Estimate, estimate_of
from sessions.models import ChatSession
from sessions.selectors.ends import session_end
from sessions.services.turn_plan import plan_turn
from sessions.services.turn_request import TurnRequest


@transaction.atomic
def turn_estimate(*, user: User, session: ChatSession, request: TurnRequest) -> Estimate:
    """Return the cost of this request at present. Raises the 422 codes of `turn_accept`."""
    plan = plan_turn(session, request, session_end(session.pk))
    payer = Payer(
        user_id=user.pk,
        team_id=user.team_id or ZERO_UUID,
        team_name="",
        token_id=None,
        room_id=session.room_id or ZERO_UUID,
        room_name="",
        session_id=session.pk,
        turn_id=ZERO_UUID,
        mode=plan.spec.mode.key,
    )
    return estimate_of(payer=payer, spec=plan.spec)
