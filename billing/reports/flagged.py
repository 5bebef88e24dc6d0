"""Flagged calls as rows with the columns of the rollups, which have no flags: few calls have any."""

from __future__ import annotations

from typing import Any

from django.db import connection

from billing.days import DayRange
from billing.models import UsageEvent
from billing.models.bucket_columns import TOKENS
from billing.models.rollup_columns import KEY, ORCHESTRATION, TOTAL_SUMS

DAY = {"postgresql": "CAST(created_at AT TIME ZONE 'UTC' AS date)", "sqlite": "DATE(created_at)"}
COST = "COALESCE(cost_pico, 0)"
WAS_PRICED = "cost_before_pico IS NOT NULL"
VALUES = {
    **{name: name for name in KEY if name != "day"},
    **{name: name for name in TOKENS},
    "calls": "CASE WHEN corrects_id IS NULL THEN 1 ELSE 0 END",
    "cost_pico": COST,
    "estimated_cost_pico": f"CASE WHEN source = 'estimated' THEN {COST} ELSE 0 END",
    "corrected_cost_pico": f"CASE WHEN {WAS_PRICED} THEN {COST} ELSE 0 END",
    "unpriced_calls": f"CASE WHEN corrects_id IS NULL AND cost_pico IS NULL THEN 1 "
    f"WHEN corrects_id IS NOT NULL AND NOT {WAS_PRICED} THEN -1 ELSE 0 END",
    TOTAL_SUMS[-1]: ORCHESTRATION.replace("cost_pico", COST),
}
"""Column of a rollup -> its value for an event, the same as `billing.services.rollup.sums_of` computes."""


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
