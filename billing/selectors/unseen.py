"""The assumed usage of calls without a final figure: they were cut, or the provider reports none."""

from __future__ import annotations

import math
import uuid
from dataclasses import replace

from billing.models import UsageEvent
from orchestration.engine.ports import Uncounted
from orchestration.engine.specs import Usage, UsageReport

OUTPUT_UNKNOWN = "output_unknown"
"""Flag of a call whose output neither the provider nor Pantheon could count."""

SAMPLE = 50
"""Newest calls of a model and purpose that the usual answer length is averaged over."""

USUAL_OUTPUT_TOKENS = 400
"""Answer length without earlier calls."""

FASTEST_TOKENS_PER_S = 1_000
"""Upper bound of a model's output speed for one answer; some specialized hardware comes near it."""


def with_unseen_output(
    report: UsageReport,
    uncounted: Uncounted,
    *,
    model_id: uuid.UUID,
    purpose: str,
    bound: Usage,
    is_held: bool,
) -> UsageReport:
    """Return the estimated report of a call without a final figure, completed by what may not have been seen.

    If no answer text arrived, or the model reasons without showing it, the output is at least the usual one of earlier
    calls of this purpose. `is_held`: a hard budget binds the turn. Then neither that nor an estimate will do, because
    traffic can lower both: input and text count with their upper bounds, and the model counts as writing at
    `FASTEST_TOKENS_PER_S` while it may have worked unseen. `bound`: the most that the call can have used.
    """
    usage = report.usage
    counted = usage.output
    if is_held:
        counted = max(counted, uncounted.most_seen)
        if not uncounted.input_counted:
            usage = replace(usage, input=max(usage.input, bound.input))
    output = counted
    if is_held:
        output += math.ceil(uncounted.unseen_ms * FASTEST_TOKENS_PER_S / 1000)
    if not uncounted.is_whole and not uncounted.output_counted:
        usual, reasons = usual_output(model_id, purpose)
        if not uncounted.most_seen or (reasons and not uncounted.shows_reasoning):
            output = max(output, usual)
    # The bound is the request's limit; a provider that has counted more is believed.
    output, counted = (max(usage.output, min(bound.output, tokens)) for tokens in (output, counted))
    flags = (*report.flags, OUTPUT_UNKNOWN) if output > counted else report.flags
    return replace(report, usage=replace(usage, output=output), flags=flags)


def usual_output(model_id: uuid.UUID, purpose: str) -> tuple[int, bool]:
    """Return the average output tokens of a model's answers, and whether any had reasoning."""
    answers = UsageEvent.objects.calls().filter(
        model_id=model_id,
        purpose=purpose,
        status=UsageEvent.Status.OK,
        source=UsageEvent.Source.PROVIDER,
    )
    newest = list(answers.order_by("-created_at").values_list("output_tokens", "reasoning_tokens")[:SAMPLE])
    if not newest:
        return USUAL_OUTPUT_TOKENS, False
    usual = round(sum(output for output, _ in newest) / len(newest))
    return max(1, usual), any(reasoning for _, reasoning in newest)
