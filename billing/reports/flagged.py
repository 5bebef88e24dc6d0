"""Flagged calls as rows with the columns of the rollups, which have no flags: few calls have any."""

from __future__ import annotations

from typing import Any

from django.db import connection

from billing.days import DayRange
from billing.models import UsageEvent
from billing.models.rollup_columns import EVENT_VALUES, KEY, ORCHESTRATION, TOTAL_SUMS

DAY = {"postgresql": "CAST(created_at AT TIME ZONE 'UTC' AS date)", "sqlite": "DATE(created_at)"}
VALUES = {
    **{name: name for name in KEY if name != "day"},
    **EVENT_VALUES,
    TOTAL_SUMS[-1]: ORCHESTRATION.replace("cost_pico", EVENT_VALUES["cost_pico"]),
}
"""Column of a rollup -> SQL of its value for an event."""


def flagged_sql(days: DayRange, flag: str) -> tuple[str, list[Any]]:
    """Return the SELECT of the calls with a flag and of their corrections, which have no flags, and its parameters."""
    calls = UsageEvent.objects.filter(created_at__gte=days.begin, created_at__lt=days.end).flagged(flag)
    sql, params = calls.order_by().values("pk").query.sql_with_params()
    values = ", ".join(f"{value} AS {name}" for name, value in VALUES.items())
    select = f"SELECT {DAY[connection.vendor]} AS day, {values} FROM {UsageEvent._meta.db_table}"
    return (
        f"WITH flagged AS ({sql}) {select} WHERE id IN (SELECT * FROM flagged) "
        f"UNION ALL {select} WHERE corrects_id IN (SELECT * FROM flagged)",
        list(params),
    )
