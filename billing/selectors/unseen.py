"""The assumed output of calls that were cut while the model worked without showing it."""

from __future__ import annotations

import math
import uuid
from dataclasses import replace

from billing.models import UsageEvent
from orchestration.engine.specs import UsageReport

OUTPUT_UNKNOWN = "output_unknown"
"""Flag of a call whose output neither the provider nor Pantheon could count."""

SAMPLE = 50
"""Newest calls of a model and purpose that the usual answer length is averaged over."""

USUAL_OUTPUT_TOKENS = 400
"""Answer length without earlier calls."""

FASTEST_TOKENS_PER_S = 1_000
"""Upper bound of a model's output speed for one answer; some specialized hardware comes near it."""


def with_unseen_output(
    report: UsageReport, *, model_id: uuid.UUID, purpose: str, most_output: int, unseen_ms: int | None
) -> UsageReport:
    """Add the output that a cut call may have produced unseen to its report.

    If no answer text arrived, or the model reasons without showing it, the output is at least the usual one of earlier
    calls of this purpose; other reports are returned unchanged. `most_output`: the request's limit. `unseen_ms`: how
    long the model may have worked unseen, given if a hard budget binds the turn. Then the model counts as writing at
    `FASTEST_TOKENS_PER_S` for that time, since the usual output is not an upper bound.
    """
    seen = report.usage.output
    usual, thinks = output_habit(model_id, purpose)
    if seen and not thinks:
        return report
    unseen = 0 if unseen_ms is None else math.ceil(unseen_ms * FASTEST_TOKENS_PER_S / 1000)
    output = min(most_output, max(seen + unseen, usual))
    if output <= seen:
        return report
    return replace(report, usage=replace(report.usage, output=output), flags=(*report.flags, OUTPUT_UNKNOWN))


def output_habit(model_id: uuid.UUID, purpose: str) -> tuple[int, bool]:
    """Return the average output tokens of a model's answers, and whether any had reasoning."""
    counted = UsageEvent.objects.calls().filter(
        model_id=model_id,
        purpose=purpose,
        status=UsageEvent.Status.OK,
        source=UsageEvent.Source.PROVIDER,
    )
    newest = list(counted.order_by("-created_at").values_list("output_tokens", "reasoning_tokens")[:SAMPLE])
    if not newest:
        return USUAL_OUTPUT_TOKENS, False
    usual = round(sum(output for output, _ in newest) / len(newest))
    return max(1, usual), any(reasoning for _, reasoning in newest)
