"""Accept a request of the OpenAI-compatible endpoint: a turn in a session of its own."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from accounts.models import ApiToken, User
from sessions.models import Agent, ChatSession, Room, Turn
from sessions.selectors.ends import SessionEnd
from sessions.services.turn_accept import Accepted, turn_of_key, turn_stage
from sessions.services.turn_request import TurnRequest


def completion_accept(
    *, user: User, place: Room | Agent, request: TurnRequest, token: ApiToken | None = None
) -> Accepted:
    """Accept the first turn of a new session, which lists do not show; a refused request leaves none.

    A known idempotency key is the turn that it made. Raises `idempotency_mismatch`, `budget_exceeded` and the 422
    codes.
    """
    try:
        known = turn_of_key(user, request.idempotency_key, request.digest)
        if known is not None:
            return Accepted(known, replayed=True)
        return Accepted(_accept(user, place, request, token), replayed=False)
    except IntegrityError:
        known = turn_of_key(user, request.idempotency_key, request.digest)
        if known is None:
            raise
        return Accepted(known, replayed=True)


@transaction.atomic(durable=True)
def _accept(user: User, place: Room | Agent, request: TurnRequest, token: ApiToken | None) -> Turn:
    session = ChatSession.objects.create(
        owner=user,
        room=place if isinstance(place, Room) else None,
        agent=place if isinstance(place, Agent) else None,
        origin=ChatSession.Origin.API,
    )
    return turn_stage(user=user, session=session, request=request, token=token, end=SessionEnd())
