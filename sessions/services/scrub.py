"""Deleted text in the files of SQLite: in the write-ahead log until it is emptied, in pages until they are reused."""

from __future__ import annotations

from django.db import connection

WAIT_MS = 1000
"""How long a checkpoint waits for readers; writers wait for it meanwhile."""


def deleted_scrub(*, rewrite: bool = False) -> bool:
    """Take what was deleted out of the bytes of a SQLite file (in no transaction); False where readers prevented it.

    `rewrite`: also what was deleted before `secure_delete` was on, and copies that stayed where rows moved between
    pages. Turns wait for that; OperationalError where there is no space for it. PostgreSQL does its own vacuuming.
    """
    if connection.vendor != "sqlite":
        return True
    with connection.cursor() as cursor:
        if rewrite:
            cursor.execute("VACUUM")
        [busy_ms] = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {WAIT_MS}")
        try:
            [busy, _, _] = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {busy_ms}")
    return not busy
