"""How much a call is taken to have answered that was cut while its model worked unseen."""

from __future__ import annotations

import math
import uuid
from dataclasses import replace

from billing.models import UsageEvent
from orchestration.engine.specs import UsageReport

OUTPUT_UNKNOWN = "output_unknown"
"""Flag of a call whose output neither the provider nor we could count."""

SAMPLE = 50
"""A model's newest calls of a purpose, from which the usual length of an answer is taken."""

USUAL_OUTPUT_TOKENS = 400
"""The length of an answer where there is no call to learn from."""

FASTEST_TOKENS_PER_S = 1_000
"""No model that people run writes faster for one answer; some specialized hardware comes near it."""


def with_unseen_output(
    report: UsageReport, *, model_id: uuid.UUID, purpose: str, most_output: int, unseen_ms: int | None
) -> UsageReport:
    """Return the report of a call that was cut, with what its model may have written that nobody has seen.

    That is as much as its earlier calls of this purpose usually had, if nothing of the answer has arrived, or if the
    model thinks without showing it; any other report is returned as it is. `most_output`: the request's limit.
    `unseen_ms`: for how long the model may have worked unseen, where a hard budget binds the turn: then it counts as
    having written as fast as any model does, since what earlier calls had is no bound.
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
    """Return how many output tokens a model's answers usually have, and whether some of them were thoughts."""
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
