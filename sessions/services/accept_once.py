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

IDEMPOTENCY_KEPT = dt.timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A new turn, or (`replayed`) the turn of an earlier request with the same key."""

    turn: Turn
    replayed: bool


def accept_once(*, user: User, key: str | None, digest: str, make: Callable[[], Turn]) -> Accepted:
    """Return the turn of an earlier request with this key, else the turn created by `make`.

    `make` reads and accepts the request, so a repeated request cannot be refused for changes since the first
    one. Raises `idempotency_mismatch`, and what `make` raises.
    """
    known = turn_of_key(user, key, digest)
    if known is not None:
        return Accepted(known, replayed=True)
    try:
        return Accepted(make(), replayed=False)
    except (IntegrityError, PantheonError):
        # The conflict may be the same request, sent twice concurrently.
        known = turn_of_key(user, key, digest)
        if known is None:
            raise
        return Accepted(known, replayed=True)


def turn_of_key(user: User, key: str | None, digest: str) -> Turn | None:
    """Return the turn created with this key; a key older than 24 h is freed. Raises `idempotency_mismatch`."""
    if key is None:
        return None
    turn = Turn.objects.filter(user=user, idempotency_key=key).select_related("session").first()
    if turn is None:
        return None
    if turn.created_at < timezone.now() - IDEMPOTENCY_KEPT and turn.is_final:
        Turn.objects.filter(pk=turn.pk).update(idempotency_key=None)
        return None
    if turn.request_digest != digest:
        raise PantheonError(
            "idempotency_mismatch", "This Idempotency-Key was used for another request. Use a new key."
        )
    return turn
