"""Rows about to be changed: read again under a lock, so that concurrent changes do not overwrite each other."""

from __future__ import annotations

from typing import TypeVar

from django.db import transaction

from sessions.models import Agent, ChatSession, Room
from web.errors import NotFound

Row = TypeVar("Row", Agent, ChatSession, Room)


def lock_existing(row: Row) -> Row:
    """Lock a row and return its current state (inside a transaction). Raises NotFound if it has been deleted."""
    assert transaction.get_connection().in_atomic_block
    locked_row: Row | None = type(row).objects.alive().select_for_update().filter(pk=row.pk).first()
    if locked_row is None:
        raise NotFound()
    return locked_row
