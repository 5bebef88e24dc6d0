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

UPPER_BOUND = "upper_bound"
"""Flag of a call that is billed higher than estimated, because a hard budget binds its turn."""

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
    `FASTEST_TOKENS_PER_S` while it may have worked unseen. A call that is billed higher for that is flagged. `bound`:
    the most that the call can have used.
    """
    usual = 0
    if not uncounted.is_whole and not uncounted.output_counted:
        tokens, reasons = usual_output(model_id, purpose)
        if not uncounted.most_seen or (reasons and not uncounted.shows_reasoning):
            usual = tokens
    usage = report.usage
    estimated = _completed(report, usage, usage.output, usual, bound)
    if not is_held:
        return estimated
    if not uncounted.input_counted:
        usage = replace(usage, input=max(usage.input, bound.input))
    counted = max(usage.output, uncounted.most_seen)
    unseen = math.ceil(uncounted.unseen_ms * FASTEST_TOKENS_PER_S / 1000)
    held = _completed(report, usage, counted, max(usual, counted + unseen), bound)
    is_higher = held.usage != estimated.usage
    return replace(held, flags=(*held.flags, UPPER_BOUND)) if is_higher else held


def _completed(report: UsageReport, usage: Usage, counted: int, output: int, bound: Usage) -> UsageReport:
    """Return a report with this input, and with an output of `output` or more, of which `counted` is known."""
    # The bound is the request's limit; a provider that has counted more is believed.
    most, known = (max(report.usage.output, min(bound.output, tokens)) for tokens in (output, counted))
    flags = (*report.flags, OUTPUT_UNKNOWN) if most > known else report.flags
    return replace(report, usage=replace(usage, output=max(most, known)), flags=flags)


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
