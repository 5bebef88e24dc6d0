"""How providers count a user's tokens, compared with our estimates.

Only the user's own calls count, so that nobody's texts move what somebody else is shown or refused.
"""

from __future__ import annotations

import uuid
from collections import defaultdict

from billing.models import UsageEvent
from sessions.models import Call

SAMPLE = 50
"""The user's newest calls, from which calibrations are taken."""

LEAST_TOKENS = 100
"""Below this much evidence an estimate stays as it is."""

BOUNDS = (0.25, 4.0)


def calibrations(user_id: uuid.UUID) -> dict[uuid.UUID, float]:
    """Return model -> tokens that its provider counted per token of our estimate: one statement.

    Models without enough of the user's own calls are missing: their estimates stay as they are.
    """
    newest = UsageEvent.objects.calls().filter(user_id=user_id, status=UsageEvent.Status.OK)
    calls = Call.objects.filter(pk__in=newest.order_by("-created_at").values("pk")[:SAMPLE])
    counted: dict[uuid.UUID, int] = defaultdict(int)
    estimated: dict[uuid.UUID, int] = defaultdict(int)
    for model_id, context, usage in calls.values_list("model_id", "context", "usage"):
        if usage is None or usage["source"] != "provider" or not context.get("estimate_raw"):
            continue
        buckets = usage["usage"]
        counted[model_id] += sum(
            buckets[name] for name in ("input", "cache_read", "cache_write_5m", "cache_write_1h")
        )
        estimated[model_id] += context["estimate_raw"]
    return {
        model_id: round(min(max(tokens / estimated[model_id], BOUNDS[0]), BOUNDS[1]), 3)
        for model_id, tokens in counted.items()
        if tokens and estimated[model_id] >= LEAST_TOKENS
    }
