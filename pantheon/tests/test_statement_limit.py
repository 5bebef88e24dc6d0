"""Statements that take too long are stopped, and the connection stays usable."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection

from web.database.statement_limit import StatementTooLong, limit_statements

pytestmark = pytest.mark.django_db

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def fetch(sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])


def test_an_endless_statement_is_stopped() -> None:
    with pytest.raises(StatementTooLong), limit_statements(0.05):
        fetch(ENDLESS)
    assert fetch("SELECT 3") == 3


def test_the_limit_ends_with_its_block() -> None:
    with limit_statements(0.05):
        assert fetch("SELECT 1") == 1
    assert (
        fetch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT max(i) FROM n"
        )
        == 10**6
    )


def test_other_errors_pass() -> None:
    with pytest.raises(OperationalError), limit_statements(5):
        raise OperationalError("the connection is gone")
