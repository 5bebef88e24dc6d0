"""PostgreSQL during a restart: other connections are cut, and new ones refused. The calling thread's own stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connection
from psycopg import sql


@contextmanager
def outage() -> Iterator[None]:
    """Make the test database unavailable to all other connections."""
    allow_connections(False)
    try:
        cut_connections()
        yield
    finally:
        allow_connections(True)


def allow_connections(allowed: bool) -> None:
    name = sql.Identifier(str(connection.settings_dict["NAME"]))
    command = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(name, sql.Literal(allowed))
    # A connection cannot close its own database, so this uses another one.
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as beside:
        beside.execute(command)


def cut_connections() -> None:
    """End every other connection to the test database, as a restart does to pooled connections."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
