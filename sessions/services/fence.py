"""The fence: a runner writes only while it holds the turn's claim."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.db.models import IntegerField, UUIDField

from sessions.models import Turn
from web.database.compiled import CompiledQuery, Slot


class FenceLost(Exception):
    """Another runner holds the turn, or it is final: the caller must stop and write nothing more."""


TURN_OF_CLAIM: CompiledQuery[Turn] = CompiledQuery(
    lambda: (
        Turn.objects.select_for_update(no_key=True)
        .filter(
            pk=Slot("turn_id", UUIDField()), claim=Slot("claim", IntegerField()), status=Turn.Status.RUNNING
        )
        .only("pk")
        .order_by()
    )  # the default ordering would join the session and lock its row too
)


def turn_was_committed(*, turn_id: uuid.UUID, claim: int) -> bool:
    """Return whether this claim has made the turn final, which only its holder can."""
    return Turn.objects.filter(pk=turn_id, claim=claim, status__in=Turn.FINAL).exists()


def turn_fence(*, turn_id: uuid.UUID, claim: int) -> None:
    """Lock the turn while this claim holds it (inside a transaction). Raises FenceLost."""
    assert transaction.get_connection().in_atomic_block
    if not TURN_OF_CLAIM(turn_id=turn_id, claim=claim):
        raise FenceLost(f"turn {turn_id} is no longer held by claim {claim}")
