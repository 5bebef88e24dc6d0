"""A time limit for what one request may ask of the database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection, transaction

STEPS = 1_000
"""Instructions of SQLite between two looks at the clock."""


class StatementTooLong(Exception):
    """A statement was stopped because it took too long."""


@contextmanager
def limit_statements(seconds: float) -> Iterator[None]:
    """Stop each statement after so many seconds; on SQLite, all statements together. Raises StatementTooLong.

    For reads whose cost depends on what a user has typed and stored: no index bounds them for every text.
    """
    limited = _limit_postgresql if connection.vendor == "postgresql" else _limit_sqlite
    try:
        with limited(seconds):
            yield
    except OperationalError as error:
        if is_stopped(error):
            raise StatementTooLong from error
        raise


def is_stopped(error: OperationalError) -> bool:
    """Return whether the database has stopped a statement at the limit."""
    cause: Any = error.__cause__
    return (
        getattr(cause, "sqlstate", "") == "57014"
        or getattr(cause, "sqlite_errorname", "") == "SQLITE_INTERRUPT"
    )


@contextmanager
def _limit_postgresql(seconds: float) -> Iterator[None]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(round(seconds * 1000))])
        yield
        cursor.execute("SET LOCAL statement_timeout TO DEFAULT")  # for the rest of an outer transaction


@contextmanager
def _limit_sqlite(seconds: float) -> Iterator[None]:
    connection.ensure_connection()
    driver, until_s = connection.connection, time.monotonic() + seconds
    driver.set_progress_handler(lambda: time.monotonic() > until_s, STEPS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)
