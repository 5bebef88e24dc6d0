"""What a user's newest calls have shown about models: token counts, limits, and thoughts in the text.

Only the user's own calls count, so that one user's texts do not affect another user's estimates and limits.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
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

MOSTLY = 0.5
"""The share of answers from which a habit is expected of the next one."""

_SQL = (
    "SELECT model_id, SUM(counted), SUM(CASE WHEN counted IS NOT NULL THEN estimated END), AVG(opened), "
    "MIN(CASE WHEN created_at = refused_at THEN overflow_limit END), "
    "MAX(CASE WHEN created_at > refused_at THEN accepted END), MIN(output_limit) FROM ("
    "SELECT model_id, COALESCE(overflow, accepted) AS counted, estimated, opened, overflow_limit, accepted, "
    "output_limit, created_at, MAX(CASE WHEN overflow_limit IS NOT NULL THEN created_at END) "
    "OVER (PARTITION BY model_id) AS refused_at FROM ("
    "SELECT model_id, created_at, CASE WHEN status = 'ok' AND source = 'provider' AND context ->> 'input_cut' IS NULL "
    "THEN reported END AS accepted, CAST(context ->> 'estimate_raw' AS BIGINT) AS estimated, "
    "CAST(context ->> 'overflow_input' AS BIGINT) AS overflow, "
    "CAST(context ->> 'overflow_limit' AS BIGINT) AS overflow_limit, "
    "CAST(context ->> 'overflow_output_limit' AS BIGINT) AS output_limit, "
    "CAST(context ->> 'opened_in_thought' AS BIGINT) AS opened FROM ("
    f"SELECT model_id, created_at, status, source, {' + '.join(INPUT_TOKENS)} AS reported, "
    # Not a join: without statistics PostgreSQL would read the whole table of calls.
    f"(SELECT context FROM {Call._meta.db_table} AS call WHERE call.id = event.id) AS context "
    f"FROM {UsageEvent._meta.db_table} AS event "
    "WHERE user_id = %s AND status IN ('ok', 'failed') AND corrects_id IS NULL "
    f"ORDER BY created_at DESC LIMIT {SAMPLE}) AS newest) AS calls) AS figures GROUP BY model_id"
)


@dataclass(frozen=True, slots=True)
class Observation:
    """What the user's newest calls have shown about a model."""

    calibration: float = 1.0
    """Tokens counted by its provider per token of our estimate; 1 without enough calls."""
    opens_in_thought: bool | None = None
    """Most answers began with a thought that had only a closing tag; None: there is no answer."""
    served_window: int | None = None
    """The context window that its server named in its last refusal, unless it has accepted more input since."""
    most_output: int | None = None
    """The smallest output limit that its server named in a refusal."""


def observations(user_id: uuid.UUID) -> dict[uuid.UUID, Observation]:
    """Return model -> what the user's newest calls have shown about it: one statement.

    Calls whose input the server has cut do not count, but refusals that name the size of the input do. Raw SQL so that
    the database does the sums: reading the contexts for each turn takes longer than the rest of its acceptance.
    """
    key: Any = UsageEvent._meta.get_field("user_id")
    model: Any = UsageEvent._meta.pk
    with connection.cursor() as cursor:
        cursor.execute(_SQL, [key.get_db_prep_value(user_id, connection)])
        return {model.to_python(row[0]): observation(*row[1:]) for row in cursor.fetchall()}


def observation(
    counted: Any, estimated: Any, opened: Any, limit: Any, accepted: Any, output_limit: Any
) -> Observation:
    calibration = 1.0
    if counted and estimated and estimated >= LEAST_TOKENS:
        calibration = round(min(max(float(counted) / float(estimated), BOUNDS[0]), BOUNDS[1]), 3)
    return Observation(
        calibration,
        opens_in_thought=None if opened is None else float(opened) >= MOSTLY,
        # A server may have been restarted with a larger window, or a broker may have chosen another one.
        served_window=None if limit is None or (accepted or 0) > limit else int(limit),
        most_output=None if output_limit is None else int(output_limit),
    )
