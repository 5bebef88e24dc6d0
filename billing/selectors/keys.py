"""Conversion of report keys between Python and the database."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import connection

from billing.models import UsageTotal

COLUMNS = {
    "day": "day",
    "team": "team_id",
    "user": "user_id",
    "room": "room_id",
    "agent": "agent_id",
    "model": "model_id",
    "purpose": "purpose",
    "mode": "mode",
}
"""Group -> column of the rollup."""


Key = uuid.UUID | str | dt.date


def db_value_of(group: str, value: Any) -> Any:
    """Convert a value of a group's column for the database driver."""
    column: Any = UsageTotal._meta.get_field(COLUMNS[group])
    return column.get_db_prep_value(value, connection)


def key_of(group: str, value: Any) -> Key:
    """Convert a key from the database to Python: SQLite returns UUIDs and days as text."""
    if group == "day":
        return day_of(value)
    if COLUMNS.get(group, "").endswith("_id"):
        return value if isinstance(value, uuid.UUID) else uuid.UUID(value)
    return str(value)


def day_of(value: Any) -> dt.date:
    return value if isinstance(value, dt.date) else dt.date.fromisoformat(value)


def fetch(sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()
