"""How a model's provider counts tokens, compared with our estimates."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from sessions.models import Call

SAMPLE = 20
"""The newest calls of a model that its calibration is taken from."""

LEAST_TOKENS = 100
"""Below this much evidence an estimate stays as it is."""

BOUNDS = (0.25, 4.0)


def calibrations(model_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, float]:
    """Return model -> tokens that its provider counted per token of our estimate, with one query per model."""
    return {model_id: calibration(model_id) for model_id in set(model_ids)}


def calibration(model_id: uuid.UUID) -> float:
    rows = Call.objects.filter(model_id=model_id, status=Call.Status.OK).order_by("-started_at")
    counted = estimated = 0
    for context, usage in rows.values_list("context", "usage")[:SAMPLE]:
        if usage is None or usage["source"] != "provider" or not context.get("estimate_raw"):
            continue
        buckets = usage["usage"]
        counted += sum(buckets[name] for name in ("input", "cache_read", "cache_write_5m", "cache_write_1h"))
        estimated += context["estimate_raw"]
    if estimated < LEAST_TOKENS or not counted:
        return 1.0
    return round(min(max(counted / estimated, BOUNDS[0]), BOUNDS[1]), 3)
