"""Empty the tables after each test that commits, in a tenth of the time that Django's `flush` takes.

Half of that is post_migrate, which makes the same content types, permissions and roles each time: they are read once
and written back. The other half, on PostgreSQL, is TRUNCATE, which makes new files for every table and index.

A pytest plugin. On PostgreSQL it needs a superuser, because the ledger's triggers refuse to delete.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

ATTEMPTS = 5
"""How often the tables are emptied after a test, if somebody's reading crosses it each time."""

Rows = dict[str, tuple[list[str], list[tuple[Any, ...]]]]
"""Table to its columns and rows."""

_created: Rows = {}
"""What post_migrate creates in empty tables."""


@pytest.fixture(scope="session", autouse=True)
def _quick_emptying() -> Iterator[None]:
    from django.test import TransactionTestCase

    flush: Any = vars(TransactionTestCase)["_fixture_teardown"]

    def teardown(case: TransactionTestCase) -> None:
        if _created:
            empty_tables()
        else:
            flush(case)
            _created.update(_all_rows())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", teardown)
        yield


def empty_tables() -> None:
    """Delete all rows but those that post_migrate creates.

    A server that outlives a test may still be answering a page that was closed. Both lock many tables one by one, and
    PostgreSQL may end either one.
    """
    from django.db import OperationalError
    from psycopg.errors import DeadlockDetected

    for left in reversed(range(ATTEMPTS)):
        try:
            return _empty_tables()
        except OperationalError as error:
            if not left or not isinstance(error.__cause__, DeadlockDetected):
                raise


def _empty_tables() -> None:
    from django.core.management.color import no_style
    from django.db import connection, transaction

    quoted = [connection.ops.quote_name(table) for table in _tables()]
    if connection.vendor == "sqlite":
        flush = connection.ops.sql_flush(no_style(), _tables())
        with connection.constraint_checks_disabled(), transaction.atomic():
            _execute(flush)
            _restore()
        return
    with transaction.atomic():
        # As TRUNCATE does, wait for transactions that still write.
        _execute(
            [
                f"LOCK TABLE {', '.join(quoted)} IN ACCESS EXCLUSIVE MODE",
                "SET LOCAL session_replication_role = replica",
            ]
        )
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(f'EXISTS (SELECT FROM {table})' for table in quoted)}")
            filled = cursor.fetchone()
        _execute(
            [f"DELETE FROM {table}" for table, is_filled in zip(quoted, filled, strict=True) if is_filled]
        )
        _restore()


def _tables() -> list[str]:
    from django.db import connection

    return connection.introspection.django_table_names(only_existing=True, include_views=False)


def _execute(statements: list[str]) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _all_rows() -> Rows:
    from django.db import connection

    found: Rows = {}
    with connection.cursor() as cursor:
        for table in _tables():
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            if rows := cursor.fetchall():
                found[table] = [column[0] for column in cursor.description], rows
    return found


def _restore() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for table, (columns, rows) in _created.items():
            names = ", ".join(map(connection.ops.quote_name, columns))
            values = ", ".join(["%s"] * len(columns))
            cursor.executemany(
                f"INSERT INTO {connection.ops.quote_name(table)} ({names}) VALUES ({values})", rows
            )
