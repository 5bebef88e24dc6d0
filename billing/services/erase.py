"""The one change that the ledger knows: names that an erased person gave go, ids and amounts stay."""

from __future__ import annotations

import uuid

from django.db import connection

from billing.models import UsageEvent


def names_erase(*, user_id: uuid.UUID) -> int:
    """Blank what a person called rooms and agents in their usage events; return how many had names.

    Inside the transaction that erases the person and says so in the audit log.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("names are erased inside the transaction that erases the person")
    _say_who_is_erased(str(user_id))
    count: int = UsageEvent.objects.erase_names(user_id)
    _say_who_is_erased("")
    return count


def _say_who_is_erased(user_id: str) -> None:
    """Tell the ledger's trigger, for the rest of the transaction. Raw SQL: the ORM has no word for it."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('pantheon.erased_user', %s, true)", [user_id])
