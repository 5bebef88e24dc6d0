"""Accept a request once: a repetition with the same Idempotency-Key returns the turn of the first request."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from django.db import IntegrityError
from django.utils import timezone

from accounts.models import User
from sessions.models import Turn
from web.errors import PantheonError

IDEMPOTENCY_PERIOD = dt.timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class AcceptedTurn:
    """A new turn, or (`replayed`) the turn of an earlier request with the same key."""

    turn: Turn
    replayed: bool


def accept_once(*, user: User, key: str | None, digest: str, make: Callable[[], Turn]) -> AcceptedTurn:
    """Return the turn of an earlier request with this key, else the turn created by `make`.

    `make` reads and accepts the request, so a repeated request cannot be refused for changes since the first
    one. Raises `idempotency_mismatch`, and what `make` raises.
    """
    existing = turn_of_key(user, key, digest)
    if existing is not None:
        return AcceptedTurn(existing, replayed=True)
    try:
        return AcceptedTurn(make(), replayed=False)
    except (IntegrityError, PantheonError):
        # The conflict may be the same request, sent twice concurrently.
        existing = turn_of_key(user, key, digest)
        if existing is None:
            raise
        return AcceptedTurn(existing, replayed=True)


def turn_of_key(user: User, key: str | None, digest: str) -> Turn | None:
    """Return the turn created with this key; a key older than 24 h is freed. Raises `idempotency_mismatch`."""
    if key is None:
        return None
    turn = Turn.objects.filter(user=user, idempotency_key=key).select_related("session").first()
    if turn is None:
        return None
    if turn.created_at < timezone.now() - IDEMPOTENCY_PERIOD and turn.is_final:
        Turn.objects.filter(pk=turn.pk).update(idempotency_key=None)
        return None
    if turn.request_digest != digest:
        raise PantheonError(
            "idempotency_mismatch", "This Idempotency-Key was used for another request. Use a new key."
        )
    return turn
