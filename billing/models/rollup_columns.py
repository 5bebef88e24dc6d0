"""The columns of the rollups."""

from __future__ import annotations

from billing.models.bucket_columns import TOKENS
from orchestration.engine.purposes import Purpose

KEY = ("day", "team_id", "user_id", "room_id", "agent_id", "model_id", "purpose", "mode")
SUMS = ("calls", *TOKENS, "cost_pico", "estimated_cost_pico", "corrected_cost_pico", "unpriced_calls")
COLUMNS = ", ".join((*KEY, *SUMS))
_COST = "COALESCE(cost_pico, 0)"
EVENT_VALUES = {
    "calls": "CASE WHEN corrects_id IS NULL THEN 1 ELSE 0 END",
    **{name: name for name in TOKENS},
    "cost_pico": _COST,
    "estimated_cost_pico": f"CASE WHEN source = 'estimated' THEN {_COST} ELSE 0 END",
    "corrected_cost_pico": f"CASE WHEN cost_before_pico IS NOT NULL THEN {_COST} ELSE 0 END",
    "unpriced_calls": "CASE WHEN corrects_id IS NULL AND cost_pico IS NULL THEN 1 "
    "WHEN corrects_id IS NOT NULL AND cost_before_pico IS NULL THEN -1 ELSE 0 END",
}
"""Sum -> SQL of an event's part of it; `billing.services.rollup.sums_of` computes the same in Python at each commit."""

_ORCHESTRATES = " AND ".join(f"purpose <> '{purpose}'" for purpose in Purpose if not purpose.orchestration)
ORCHESTRATION = f"CASE WHEN {_ORCHESTRATES} THEN cost_pico ELSE 0 END"
"""SQL of a daily row's cost if it is not a reply: routing, evaluation, synthesis, summaries."""

TOTAL_KEY = ("cut", *KEY)
TOTAL_SUMS = (*SUMS, "orchestration_cost_pico")
TOTAL_COLUMNS = ", ".join((*TOTAL_KEY, *TOTAL_SUMS))
