"""Accept a request of the OpenAI-compatible endpoint: a turn in its own session."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from django.db import transaction

from accounts.models import ApiToken, User
from sessions.models import Agent, ChatSession, Room, Turn
from sessions.selectors.ends import SessionEnd
from sessions.services.completion_files import files_unlist
from sessions.services.turn_accept import turn_stage
from sessions.services.turn_request import TurnRequest


@transaction.atomic(durable=True)
def completion_accept(
    *,
    user: User,
    place: Room | Agent,
    request: TurnRequest,
    token: ApiToken | None = None,
    new_files: Collection[uuid.UUID] = (),
) -> Turn:
    """Accept the first turn of a new session, which lists do not show; a refused request leaves no session.

    `new_files`: those of the request that were stored for it; lists do not show them either.
    Raises `budget_exceeded` and the 422 codes, IntegrityError for an idempotency key of another turn
    (`accept_once`).
    """
    session = ChatSession.objects.create(
        owner=user,
        room=place if isinstance(place, Room) else None,
        agent=place if isinstance(place, Agent) else None,
        origin=ChatSession.Origin.API,
    )
    turn = turn_stage(user=user, session=session, request=request, token=token, end=SessionEnd())
    files_unlist(new_files)
    return turn
