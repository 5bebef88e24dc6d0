"""Stop another process in the middle of a transaction, at a statement chosen by the test.

The breakpoint is a trigger in the database: on PostgreSQL it waits for an advisory lock that the test holds, on SQLite
(where a statement cannot wait) it counts forever, while its process holds the one writer's lock. The stopped process
has done everything before this point of its transaction, and nothing after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection

from sessions.tests.support.server_process import until

LOCK = 7_461
NAME = "test_stall"


@contextmanager
def stall(event: str, *, when: str = "") -> Iterator[Callable[[], None]]:
    """Stop any process at `event` (`INSERT ON table`); yield a function that returns once one has stopped there.

    At the end of the block the surviving processes continue; kill them before.
    """
    make, wait, drop = (_sqlite if connection.vendor == "sqlite" else _postgres)(event, when)
    for sql in make:
        run(sql)
    try:
        yield lambda: until(wait)
    finally:
        for sql in drop:
            run(sql)


Parts = tuple[list[str], Callable[[], bool], list[str]]


def _postgres(event: str, when: str) -> Parts:
    table = event.rpartition(" ")[2]
    condition = f"WHEN ({when})" if when else ""
    make = [
        f"SELECT pg_advisory_lock({LOCK})",
        f"CREATE FUNCTION {NAME}() RETURNS trigger LANGUAGE plpgsql AS "
        f"'BEGIN PERFORM pg_advisory_xact_lock({LOCK}); RETURN NEW; END'",
        f"CREATE TRIGGER {NAME} BEFORE {event} FOR EACH ROW {condition} EXECUTE FUNCTION {NAME}()",
    ]
    drop = [
        f"SELECT pg_advisory_unlock({LOCK})",
        f"DROP TRIGGER {NAME} ON {table}",
        f"DROP FUNCTION {NAME}()",
    ]
    waiting = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {LOCK} AND NOT granted"
    return make, lambda: bool(run(waiting)), drop


def _sqlite(event: str, when: str) -> Parts:
    condition = f"WHEN {when}" if when else ""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    make = [
        f"CREATE VIEW {NAME}_endless AS {endless}",
        f"CREATE TRIGGER {NAME} BEFORE {event} {condition} BEGIN SELECT max(i) FROM {NAME}_endless; END",
    ]
    drop = [f"DROP TRIGGER {NAME}", f"DROP VIEW {NAME}_endless"]
    return make, _SqliteWriter().is_stuck, drop


class _SqliteWriter:
    """Detects whether one transaction holds the writer's lock forever."""

    LOOKS = 15
    """Consecutive checks that find the lock taken before it counts as stuck; short transactions never reach it."""

    def __init__(self) -> None:
        self.found = 0

    def is_stuck(self) -> bool:
        timeout = int(run("PRAGMA busy_timeout"))
        run("PRAGMA busy_timeout = 0")
        try:
            run("BEGIN IMMEDIATE")
            run("ROLLBACK")
            self.found = 0
        except OperationalError:
            self.found += 1
        finally:
            run(f"PRAGMA busy_timeout = {timeout}")
        return self.found >= self.LOOKS


def run(sql: str) -> Any:
    """Run a statement outside of any transaction; return the first value, if it has one."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0] if cursor.description else None


@contextmanager
def refused(event: str) -> Iterator[None]:
    """Make the database refuse an `event` (`INSERT ON table`) from any process."""
    table = event.rpartition(" ")[2]
    if connection.vendor == "sqlite":
        make = [
            f"CREATE TRIGGER {NAME}_refusal BEFORE {event} BEGIN SELECT RAISE(ABORT, 'refused by a test'); END"
        ]
        drop = [f"DROP TRIGGER {NAME}_refusal"]
    else:
        make = [
            f"CREATE FUNCTION {NAME}_refusal() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN RAISE EXCEPTION ''refused by a test''; END'",
            f"CREATE TRIGGER {NAME}_refusal BEFORE {event} FOR EACH ROW EXECUTE FUNCTION {NAME}_refusal()",
        ]
        drop = [f"DROP TRIGGER {NAME}_refusal ON {table}", f"DROP FUNCTION {NAME}_refusal()"]
    for sql in make:
        run(sql)
    try:
        yield
    finally:
        for sql in drop:
            run(sql)
