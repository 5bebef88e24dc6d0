"""Ask a turn to stop."""

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
    """Have a turn stop: what was said is kept, what was used is billed. Raises `turn_final`."""
    asked = turns_stop(Turn.objects.filter(pk=turn.pk))
    if not asked:
        raise PantheonError("turn_final", "This turn has ended already.")
    turn.refresh_from_db()
    return turn


def turns_stop(turns: QuerySet[Turn]) -> int:
    """Ask those of these turns that have not ended to stop (inside a transaction); return how many."""
    ids = list(turns.filter(status__in=Turn.ACTIVE).values_list("pk", flat=True))
    asked = (
        Turn.objects.active()
        .filter(pk__in=ids)
        .update(cancel_requested_at=Coalesce("cancel_requested_at", Now()))
    )
    for turn_id in ids:
        transaction.on_commit(partial(cancel, turn_id))
    return asked
