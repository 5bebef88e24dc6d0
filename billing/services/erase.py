"""The only change ever made to ledger rows: blank the names that an erased person gave. Ids and amounts stay."""

from __future__ import annotations

import uuid

from django.db import connection

from billing.models import UsageEvent


def names_erase(*, user_id: uuid.UUID) -> int:
    """Blank room and agent names in a person's usage events; return how many rows changed.

    Inside the transaction that erases the person and writes the audit entry.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("names are erased inside the transaction that erases the person")
    _set_erased_user(str(user_id))
    count: int = UsageEvent.objects.erase_names(user_id)
    _set_erased_user("")
    return count


def _set_erased_user(user_id: str) -> None:
    """Let the ledger's trigger allow the update, until the transaction ends. The ORM cannot set a variable."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('pantheon.erased_user', %s, true)", [user_id])
