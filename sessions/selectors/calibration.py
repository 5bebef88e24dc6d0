"""What a user's newest calls have shown about models: token counts, limits, and thoughts in the text.

Only the user's own calls count, so that one user's texts do not affect another user's estimates and limits.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection

from billing.models import UsageEvent
from billing.models.bucket_columns import INPUT_TOKENS
from sessions.models import Call

SAMPLE = 30
"""Number of the user's newest calls of a model that calibrations are based on."""

NEWEST = 300
"""Number of the user's newest calls among which they are looked for: reading more takes too long for each turn."""

LEAST_TOKENS = 100
"""With fewer tokens than this as evidence, an estimate is not adjusted."""

BOUNDS = (0.25, 4.0)

MOSTLY = 0.5
"""The share of answers from which a habit is expected of the next one."""

SHORTER = 0.9
"""A request with at most this share of another's estimated tokens is shorter, whatever the estimates' errors."""

LEAST_CUT = 2_000
"""Tokens. Servers that cut their input have at least such a context window."""

OBSERVATIONS_SQL = f"""
WITH newest AS (
    SELECT id, model_id, created_at, status, source, {" + ".join(INPUT_TOKENS)} AS reported
    FROM {UsageEvent._meta.db_table}
    WHERE user_id = %s AND status IN ('ok', 'failed') AND corrects_id IS NULL
    ORDER BY created_at DESC LIMIT {NEWEST}
), numbered AS (
    SELECT newest.*, ROW_NUMBER() OVER (PARTITION BY model_id ORDER BY created_at DESC) AS number FROM newest
), calls AS MATERIALIZED (
    SELECT model_id, number, status, source, reported,
        -- Not a join: without statistics PostgreSQL would read the whole table of calls.
        (SELECT context FROM {Call._meta.db_table} AS call WHERE call.id = numbered.id) AS context
    FROM numbered WHERE number <= {SAMPLE}
)
SELECT model_id,
    CASE WHEN status = 'ok' AND source = 'provider' AND context ->> 'input_cut' IS NULL THEN reported END,
    -- Not of calls with images, whose estimate is an upper bound.
    CASE WHEN context ->> 'image_tokens' IS NULL THEN CAST(context ->> 'estimate_raw' AS BIGINT) END,
    CAST(context ->> 'overflow_input' AS BIGINT),
    CAST(context ->> 'overflow_limit' AS BIGINT),
    CAST(context ->> 'overflow_output_limit' AS BIGINT),
    CAST(context ->> 'opened_in_thought' AS BIGINT)
FROM calls ORDER BY model_id, number
"""


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
    read_most: int | None = None
    """A number of input tokens that its server counted for requests of different sizes: it cuts longer ones there."""


class ObservedCall(NamedTuple):
    """The figures of a call, in tokens; None: it has no such figure."""

    accepted: int | None
    """Counted by the provider, which did not obviously cut the input."""
    estimated: int | None
    """Our estimate, not calibrated; None for a call with images."""
    overflow: int | None
    """The size of an input that was refused as too long."""
    overflow_limit: int | None
    output_limit: int | None
    opened_in_thought: int | None


def observations(user_id: uuid.UUID) -> dict[uuid.UUID, Observation]:
    """Return model -> what the user's newest calls of it have shown: one statement.

    Raw SQL, since reading the contexts of all these calls takes longer than the rest of a turn's acceptance.
    """
    key: Any = UsageEvent._meta.get_field("user_id")
    model: Any = UsageEvent._meta.pk
    calls: dict[Any, list[ObservedCall]] = {}
    with connection.cursor() as cursor:
        cursor.execute(OBSERVATIONS_SQL, [key.get_db_prep_value(user_id, connection)])
        for model_id, *figures in cursor.fetchall():
            calls.setdefault(model_id, []).append(ObservedCall(*figures))
    return {model.to_python(model_id): observation(of_model) for model_id, of_model in calls.items()}


def observation(calls: Sequence[ObservedCall]) -> Observation:
    """Return what calls of one model have shown, newest first."""
    opened = [call.opened_in_thought for call in calls if call.opened_in_thought is not None]
    refused = next((number for number, call in enumerate(calls) if call.overflow_limit is not None), None)
    window = None
    if refused is not None:
        # A server may have been restarted with a larger window, or a broker may have chosen another one.
        limit = calls[refused].overflow_limit or 0
        window = limit if all((call.accepted or 0) <= limit for call in calls[:refused]) else None
    return Observation(
        calibration_of(calls),
        opens_in_thought=sum(opened) / len(opened) >= MOSTLY if opened else None,
        served_window=window,
        most_output=min((call.output_limit for call in calls if call.output_limit is not None), default=None),
        read_most=read_most_of(calls),
    )


def calibration_of(calls: Sequence[ObservedCall]) -> float:
    """Return the counted tokens per estimated token.

    Calls of which the server has read no more than of a shorter one do not count: it may have cut them. Refusals that
    name the size of the input do.
    """
    counted = estimated = 0
    for call in calls:
        tokens = call.overflow or call.accepted
        if not tokens or not call.estimated:
            continue
        if call.overflow is None and any(tokens <= (other.accepted or 0) for other in shorter(call, calls)):
            continue
        counted += tokens
        estimated += call.estimated
    if estimated < LEAST_TOKENS:
        return 1.0
    return round(min(max(counted / estimated, BOUNDS[0]), BOUNDS[1]), 3)


def read_most_of(calls: Sequence[ObservedCall]) -> int | None:
    """Return the largest number of tokens that was counted for a call and for a shorter one."""
    repeated = (
        call.accepted
        for call in calls
        if call.accepted is not None
        and call.accepted >= LEAST_CUT
        and any(call.accepted == other.accepted for other in shorter(call, calls))
    )
    return max(repeated, default=None)


def shorter(call: ObservedCall, calls: Sequence[ObservedCall]) -> Iterator[ObservedCall]:
    most = SHORTER * (call.estimated or 0)
    return (other for other in calls if other.estimated is not None and other.estimated <= most)
