"""The lock of what budgets count: commits share it, a change of what a budget counts takes it exclusively.

So a period's row either exists and is added to, or starts with the sum of the rollup.
"""

from __future__ import annotations

import datetime as dt

from django.db import connection
from django.utils import timezone

from web.database.compiled import Bound, together

CHANGEOVER = dt.timedelta(seconds=10)
"""Holds are taken one at a time this long before and after the end of a UTC day."""

BUDGETS_LOCK = 0x70616E62
"""PostgreSQL's advisory lock number for what budgets count."""


def lock_budgets_exclusive() -> None:
    """Block accepts and commits of turns until this transaction ends. Readers are not blocked."""
    together(*budgets_exclusive_lock())


def budgets_exclusive_lock() -> list[Bound]:
    """Return the statement that takes the budgets' lock exclusively; SQLite has one writer and needs none."""
    return [("SELECT pg_advisory_xact_lock(%s)", [BUDGETS_LOCK])] if connection.vendor == "postgresql" else []


def budgets_shared_lock() -> list[Bound]:
    """Return the statement that shares the budgets' lock until the transaction ends.

    Read budgets in a later statement: only that one sees what the last exclusive holder committed.
    """
    if connection.vendor != "postgresql":
        return []
    return [("SELECT pg_advisory_xact_lock_shared(%s)", [BUDGETS_LOCK])]


def budgets_hold_lock() -> list[Bound]:
    """Return the statement that locks the budgets before a hold is taken: exclusive near the end of a day, else shared.

    The first hold of a period must see the last holds of the period before, and there may be no row that both lock.
    """
    return budgets_exclusive_lock() if is_near_day_end(timezone.now()) else budgets_shared_lock()


def is_near_day_end(now: dt.datetime) -> bool:
    before, after = (now.astimezone(dt.UTC) + by for by in (-CHANGEOVER, CHANGEOVER))
    return before.date() != after.date()
