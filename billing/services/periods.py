"""The rows of budget periods, which spending and holds add to."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection

from billing.fields import added_sql
from billing.models import BudgetPeriod
from billing.selectors.binding import PeriodKey


@dataclass(slots=True)
class PeriodChange:
    """What a commit adds to a budget period, in pico-USD."""

    spent: int = 0
    held: int = 0


class PeriodAmounts(NamedTuple):
    """A budget period's row after an addition. Pico-USD."""

    id: int
    spent: int
    held: int


def periods_add(changes: Mapping[PeriodKey, PeriodChange]) -> dict[PeriodKey, PeriodAmounts]:
    """Add to periods in one statement, creating missing ones; return them after the addition, locked.

    Raw SQL because the ORM's upsert can only replace, not add.
    """
    if not changes:
        return {}
    table = BudgetPeriod._meta.db_table
    fields: list[Any] = [BudgetPeriod._meta.get_field(name) for name in ("budget", "member_id", "start")]
    # Sorted so that all transactions lock the rows in one order: otherwise two commits deadlock.
    ordered = sorted(changes.items(), key=lambda item: [str(part) for part in item[0]])
    params: list[Any] = []
    for key, change in ordered:
        params += [field.get_db_prep_value(part, connection) for field, part in zip(fields, key, strict=True)]
        params += [change.spent, change.held]
    sql = (
        f"INSERT INTO {table} (budget_id, member_id, start, spent_pico, held_pico) "
        f"VALUES {', '.join(['(%s, %s, %s, %s, %s)'] * len(ordered))} "
        f"ON CONFLICT (budget_id, member_id, start) DO UPDATE "
        f"SET spent_pico = {added_sql(table, 'spent_pico')}, held_pico = {added_sql(table, 'held_pico')} "
        f"RETURNING budget_id, member_id, start, id, spent_pico, held_pico"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return {
            (_uuid(budget), _uuid(member), _date(start)): PeriodAmounts(*row)
            for budget, member, start, *row in cursor.fetchall()
        }


def _uuid(value: Any) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))


def _date(value: Any) -> dt.date:
    return value if isinstance(value, dt.date) else dt.date.fromisoformat(value)
