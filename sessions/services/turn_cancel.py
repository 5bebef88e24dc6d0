"""Ask a turn to stop."""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.db.models.functions import Coalesce, Now

from pantheon.errors import PantheonError
from sessions.dispatch import cancel
from sessions.models import Turn


@transaction.atomic(durable=True)
def turn_cancel(*, turn: Turn) -> Turn:
    """Have a turn stop: what was said is kept, what was used is billed. Raises `turn_final`."""
    asked = (
        Turn.objects.active()
        .filter(pk=turn.pk)
        .update(cancel_requested_at=Coalesce("cancel_requested_at", Now()))
    )
    if not asked:
        raise PantheonError("turn_final", "This turn has ended already.")
    transaction.on_commit(partial(cancel, turn.pk))
    turn.refresh_from_db()
    return turn
