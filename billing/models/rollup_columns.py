"""The columns of the rollups."""

from __future__ import annotations

from billing.models.bucket_columns import TOKENS
from orchestration.engine.purposes import Purpose

KEY = ("day", "team_id", "user_id", "room_id", "agent_id", "model_id", "purpose", "mode")
SUMS = ("calls", *TOKENS, "cost_pico", "estimated_cost_pico", "corrected_cost_pico", "unpriced_calls")
COLUMNS = ", ".join((*KEY, *SUMS))
_ORCHESTRATES = " AND ".join(f"purpose <> '{purpose}'" for purpose in Purpose if not purpose.orchestration)
ORCHESTRATION = f"CASE WHEN {_ORCHESTRATES} THEN cost_pico ELSE 0 END"
"""SQL of a daily row's cost if it is not a reply: routing, evaluation, synthesis, summaries."""

TOTAL_KEY = ("cut", *KEY)
TOTAL_SUMS = (*SUMS, "orchestration_cost_pico")
TOTAL_COLUMNS = ", ".join((*TOTAL_KEY, *TOTAL_SUMS))
