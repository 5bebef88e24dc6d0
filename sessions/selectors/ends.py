"""The end of a session, from which a new turn continues."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

from django.db import connection

from sessions.models import ChatSession, Message, Summary, Turn


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """The end of a session's transcript; the defaults are those of an empty session."""

    index: int = 0
    """Of the newest turn."""
    seq: int = 0
    """Of the newest message."""
    has_summary: bool = False
    client: dict[str, Any] | None = None
    """The client's data for the newest turn, in the form of its snapshot."""
    has_files: bool = False
    """Whether any message so far brought a file."""


_TURNS = f"FROM {Turn._meta.db_table} WHERE session_id = %s AND {{index}} IS NOT NULL"
_SQL = (
    f"SELECT (SELECT MAX({{index}}) {_TURNS}), "
    f"(SELECT MAX(seq) FROM {Message._meta.db_table} WHERE session_id = %s), "
    f"EXISTS (SELECT 1 FROM {Summary._meta.db_table} WHERE session_id = %s), "
    f"(SELECT snapshot -> 'client' {_TURNS} ORDER BY {{index}} DESC LIMIT 1), "
    f"(SELECT snapshot -> 'has_files' {_TURNS} ORDER BY {{index}} DESC LIMIT 1)"
)


def session_end(session_id: uuid.UUID) -> SessionEnd:
    """Return a session's end: one statement. Raw SQL because the ORM would need four."""
    column: Any = ChatSession._meta.pk
    key = column.get_db_prep_value(session_id, connection)
    with connection.cursor() as cursor:
        cursor.execute(_SQL.format(index=connection.ops.quote_name("index")), [key] * 5)
        index, seq, has_summary, client, has_files = cursor.fetchone()
    return SessionEnd(
        index or 0,
        seq or 0,
        bool(has_summary),
        json.loads(client) if client else None,
        has_files=has_files is not None and bool(json.loads(has_files)),
    )
