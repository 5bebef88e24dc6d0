"""Calibration of token estimates: a user's tokens as providers count them, relative to our estimates.

Only the user's own calls count, so that one user's texts do not affect another user's estimates and limits.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.db import connection

from billing.models import UsageEvent
from billing.models.bucket_columns import INPUT_TOKENS
from sessions.models import Call

SAMPLE = 30
"""Number of the user's newest calls that calibrations are based on."""

LEAST_TOKENS = 100
"""With fewer tokens than this as evidence, an estimate is not adjusted."""

BOUNDS = (0.25, 4.0)

_SQL = (
    "SELECT model_id, SUM(counted), SUM(estimated) FROM ("
    f"SELECT model_id, source, {' + '.join(INPUT_TOKENS)} "
    # Not a join: without statistics PostgreSQL would read the whole table of calls.
    f"AS counted, (SELECT CAST(call.context ->> 'estimate_raw' AS BIGINT) FROM {Call._meta.db_table} AS call "
    f"WHERE call.id = event.id) AS estimated FROM {UsageEvent._meta.db_table} AS event "
    "WHERE user_id = %s AND status = 'ok' AND corrects_id IS NULL "
    f"ORDER BY created_at DESC LIMIT {SAMPLE}) AS newest WHERE source = 'provider' GROUP BY model_id"
)


def calibrations(user_id: uuid.UUID) -> dict[uuid.UUID, float]:
    """Return model -> tokens counted by its provider per token of our estimate: one statement.

    Models without enough of the user's own calls are missing: their estimates are not adjusted. Raw SQL so that the
    database does the sums: reading the contexts for each turn takes longer than the rest of its acceptance.
    """
    key: Any = UsageEvent._meta.get_field("user_id")
    model: Any = UsageEvent._meta.pk
    with connection.cursor() as cursor:
        cursor.execute(_SQL, [key.get_db_prep_value(user_id, connection)])
        sums = [(model.to_python(row[0]), *row[1:]) for row in cursor.fetchall()]
    return {
        model_id: round(min(max(float(counted) / float(estimated), BOUNDS[0]), BOUNDS[1]), 3)
        for model_id, counted, estimated in sums
        if counted and estimated and estimated >= LEAST_TOKENS
    }
