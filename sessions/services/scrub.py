"""Deleted text in SQLite's files: in the write-ahead log until it is truncated, in pages until they are reused."""

from __future__ import annotations

from django.db import connection

WAIT_MS = 1000
"""Maximum wait of a checkpoint for readers; writers wait for it meanwhile."""


def deleted_scrub(*, rewrite: bool = False) -> bool:
    """Remove deleted text from a SQLite file's bytes (in no transaction); False if readers prevented it.

    `rewrite`: also text deleted before `secure_delete` was on, and copies left where rows moved between
    pages. Turns wait for that; raises OperationalError if there is no disk space for it. PostgreSQL does its
    own vacuuming.
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
