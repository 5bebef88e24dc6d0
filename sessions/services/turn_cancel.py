"""Cancel turns."""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Coalesce, Now

from sessions.dispatch import cancel
from sessions.models import Turn
from web.errors import PantheonError


@transaction.atomic(durable=True)
def turn_cancel(*, turn: Turn) -> Turn:
    """Request the cancellation of a turn: its text is kept, its usage billed. Raises `turn_final`."""
    count = turns_stop(Turn.objects.filter(pk=turn.pk))
    if not count:
        raise PantheonError("turn_final", "This turn has already ended.")
    turn.refresh_from_db()
    return turn


def turns_stop(turns: QuerySet[Turn]) -> int:
    """Request the cancellation of the active turns among these (inside a transaction); return their number."""
    ids = list(turns.filter(status__in=Turn.ACTIVE).values_list("pk", flat=True))
    count = (
        Turn.objects.active()
        .filter(pk__in=ids)
        .update(cancel_requested_at=Coalesce("cancel_requested_at", Now()))
    )
    for turn_id in ids:
        transaction.on_commit(partial(cancel, turn_id))
    return count
