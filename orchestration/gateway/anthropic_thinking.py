"""Reasoning effort on Anthropic's wire: the fields `thinking` and `output_config.effort`.

Sources: Anthropic, "Effort", "Thinking" and the models' migration guides. Thinking counts toward `max_tokens`.
"""

from __future__ import annotations

import re
from typing import Any

BUDGET_MODELS = re.compile(
    r"(?:\A|[./])claude-(?:3-7-sonnet|(?:opus|sonnet|haiku)-4(?:-[015])?)(?:-\d{8}|-latest)?\Z"
)
"""Models that take a budget of tokens instead of `adaptive`; most of them take no effort."""
BETWEEN_TOOLS_MODELS = re.compile(r"(?:\A|[./])claude-sonnet-5-5\Z")
"""Models whose lowest setting is `between_tools`; that of the others is `disabled`, unless they always think."""
LEVELS = {"minimal": "low"}
"""Efforts that Anthropic calls by another name."""
LEAST_BUDGET = 1024
SHARES = {"minimal": 0.1, "low": 0.2, "medium": 0.5, "high": 0.8, "xhigh": 0.9, "max": 0.9}
"""Effort -> the budget's share of the output limit, as in OpenRouter, "Reasoning tokens". The answer needs the rest."""


def thinking_fields(model_id: str, effort: str, max_tokens: int) -> dict[str, Any]:
    """Return the fields that ask for an effort; none for an empty one, or if the limit leaves no room for a budget."""
    if not effort:
        return {}
    if effort == "none":
        kind = "between_tools" if BETWEEN_TOOLS_MODELS.search(model_id) else "disabled"
        return {"thinking": {"type": kind}}
    # Newer models do not send their thoughts unless asked to.
    shown = {"display": "summarized"}
    if BUDGET_MODELS.search(model_id):
        budget = max(LEAST_BUDGET, int(max_tokens * SHARES[effort]))
        return (
            {"thinking": {"type": "enabled", "budget_tokens": budget, **shown}} if budget < max_tokens else {}
        )
    return {
        "thinking": {"type": "adaptive", **shown},
        "output_config": {"effort": LEVELS.get(effort, effort)},
    }


def is_thinking(fields: dict[str, Any]) -> bool:
    """Return whether a request's thinking is on; then it may have no temperature."""
    return fields.get("thinking", {}).get("type") in ("adaptive", "enabled")
