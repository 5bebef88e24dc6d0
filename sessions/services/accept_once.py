"""Accept a request once: one that is repeated with its Idempotency-Key gets the turn that the first one made."""

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
    """A turn that will run, or (`replayed`) that an earlier request of the same key made."""

    turn: Turn
    replayed: bool


def accept_once(*, user: User, key: str | None, digest: str, make: Callable[[], Turn]) -> Accepted:
    """Return the turn that an earlier request of this key made, else the one that `make` makes.

    `make` reads the request and accepts it, so a repeated request is refused by nothing that came after the first.
    Raises `idempotency_mismatch`, and what `make` raises.
    """
    known = turn_of_key(user, key, digest)
    if known is not None:
        return Accepted(known, replayed=True)
    try:
        return Accepted(make(), replayed=False)
    except (IntegrityError, PantheonError):
        # What stood in the way may be the same request, sent twice at once.
        known = turn_of_key(user, key, digest)
        if known is None:
            raise
        return Accepted(known, replayed=True)


def turn_of_key(user: User, key: str | None, digest: str) -> Turn | None:
    """Return the turn that this key made; a key older than 24 h is freed. Raises `idempotency_mismatch`."""
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
