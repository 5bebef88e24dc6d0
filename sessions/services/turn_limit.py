"""Limit of a person's active turns: each takes a place of a worker, which all people share."""

from __future__ import annotations

from django.conf import settings
from django.db import connection

from accounts.models import User
from sessions.models import Turn
from web.database.compiled import Bound
from web.errors import RateLimited

RETRY_AFTER_S = 10

# The statuses are written out: SQLite uses a partial index only for its own condition. The plus sign keeps it from the
# index of the person's turns, which grows with every turn.
_ACTIVE = (
    f"(SELECT COUNT(*) FROM {Turn._meta.db_table} WHERE {{user_id}} = %s AND status IN ('queued', 'running'))"
)


def place_of(user: User) -> Bound | None:
    """Return a FROM clause with one row if the user may have another active turn, else with none; None: no limit.

    As part of the turn's insertion the count costs no statement. It takes no lock, so concurrent requests may exceed
    the limit by a few.
    """
    limit = settings.PANTHEON_TURNS_AT_ONCE_PER_USER
    if not limit:
        return None
    user_id = "+user_id" if connection.vendor == "sqlite" else "user_id"
    key = Turn._meta.get_field("user").get_db_prep_value(user.pk, connection)
    return f"FROM (SELECT 1) AS place WHERE {_ACTIVE.format(user_id=user_id)} < %s", [key, limit]


def too_many_turns() -> RateLimited:
    limit = settings.PANTHEON_TURNS_AT_ONCE_PER_USER
    return RateLimited(
        f"You have {limit} turns in progress, the maximum. Wait for one to end, or cancel one.",
        RETRY_AFTER_S,
    )
