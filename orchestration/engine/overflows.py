"""Requests that a server refuses as too long: a shorter second try, and the error for the user.

The second try has a smaller output limit if the input fits with it, else fewer of the older messages.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestration.engine.ports import CallError, ContextOverflow, Failed
from orchestration.engine.purposes import Purpose
from orchestration.engine.specs import AgentSpec, ModelRequest
from orchestration.engine.tokens import estimate_input, estimate_tokens

if TYPE_CHECKING:  # steps make second tries
    from orchestration.engine.steps import StepPlan

CODE = "context_overflow"

LEAST_ANSWER = 256
"""Minimum tokens for an answer; with less room, messages are left out instead."""
MARGIN = 16
"""Tokens by which servers' own counts of a request may differ from each other."""
INPUT_SHARE = 0.6
"""The share of the room for input that a second try uses: the messages that stay may have more tokens per byte than
those that are left out."""
LEAST_WINDOW = 512
"""A smaller figure cannot be a context window."""
WITHOUT_FIGURES = 1_500
"""Estimated tokens of a second try if the server names no limit: little more than the question."""


def overflow_of(end: Failed, request: ModelRequest) -> ContextOverflow | None:
    """Return the overflow that a failure reports; None if it has another cause."""
    if end.output_limit_tokens is not None:
        return ContextOverflow(output_limit=end.output_limit_tokens)
    if end.code != CODE:
        return None
    size = end.input_tokens
    if size is None and end.requested_tokens is not None:
        size = max(1, end.requested_tokens - request.max_output_tokens)
    if size is not None and size < 1:
        size = None
    has_limit = end.limit_tokens is not None and end.limit_tokens >= LEAST_WINDOW
    return ContextOverflow(limit=end.limit_tokens if has_limit else None, input=size)


def second_try(plan: StepPlan, overflow: ContextOverflow) -> StepPlan | None:
    """Return the plan with a request that should fit; None if there is none, or this was the second try."""
    if plan.is_second_try:
        return None
    wanted = plan.request.max_output_tokens
    if overflow.output_limit is not None:
        return with_output_limit(plan, overflow.output_limit)
    if overflow.limit is not None and overflow.input is not None:
        usual = min(wanted, overflow.limit // 5)
        room = overflow.limit - overflow.input - MARGIN
        if max(min(wanted, LEAST_ANSWER), usual // 4) <= room < wanted:
            return with_output_limit(plan, room)
    return with_shorter_input(plan, overflow)


def with_output_limit(plan: StepPlan, tokens: int) -> StepPlan | None:
    if not 0 < tokens < plan.request.max_output_tokens:
        return None
    return replace(plan, request=replace(plan.request, max_output_tokens=tokens), is_second_try=True)


def with_shorter_input(plan: StepPlan, overflow: ContextOverflow) -> StepPlan | None:
    """Return the plan without the older messages that do not fit, and with at most a fifth of the window for output."""
    if plan.shorten is None:
        return None
    request, audit = plan.shorten(most_estimated_input(plan, overflow))
    before = plan.request.max_output_tokens
    output = min(before, overflow.limit // 5) if overflow.limit is not None else before
    if estimate_input(request) >= estimate_input(plan.request) and (
        overflow.input is not None or output == before
    ):
        return None
    return replace(
        plan, request=replace(request, max_output_tokens=output), context=audit, is_second_try=True
    )


def most_estimated_input(plan: StepPlan, overflow: ContextOverflow) -> int:
    """Return the maximum input, in tokens of our plain estimate."""
    before = estimate_input(plan.request)
    if overflow.limit is None:
        return min(before // 4, WITHOUT_FIGURES)
    output = plan.request.max_output_tokens
    room = overflow.limit - min(output, overflow.limit // 5)
    if overflow.input is not None:
        return min(int(INPUT_SHARE * room * before / overflow.input), int(INPUT_SHARE * before))
    counted = max(before * plan.request.model.calibration, float(overflow.limit - output))
    return min(int(INPUT_SHARE * room * before / counted), before // 2)


def overflow_error(end: Failed, request: ModelRequest, agent: AgentSpec | None) -> CallError:
    """Return the error of a step whose request does not fit: with both figures, and what helps."""
    model = request.model
    needed, limit = end.requested_tokens or end.input_tokens, end.limit_tokens
    if needed is not None and limit is not None and needed > limit:
        figures = f"This needs {needed:,} tokens, and the model {model.alias} takes {limit:,}."
    elif limit is not None:
        figures = f"This needs more tokens than the {limit:,} that the model {model.alias} takes."
    else:
        needed = needed or estimate_input(request) + request.max_output_tokens
        figures = (
            f"This needs about {needed:,} tokens, which is too much for the model {model.alias}; its server does not "
            "say how many it takes."
        )
    details = {
        "agent": agent and agent.key,
        "model": model.alias,
        "needed_tokens": needed,
        "budget_tokens": limit,
    }
    return CallError(
        end.code,
        f"{figures} {longest_part(request, agent)}, or choose a model with a larger context window.",
        end.retryable,
        details,
    )


def longest_part(request: ModelRequest, agent: AgentSpec | None) -> str:
    """Return what to shorten, as the beginning of a sentence."""
    system, question = estimate_tokens(request.system), estimate_tokens(request.question)
    sizes = {file.name: estimate_tokens(file.text or "") for file in request.files}
    largest = max(sizes, key=sizes.__getitem__, default="")
    rest = estimate_input(request) - system - question - sum(sizes.values())
    if largest and sizes[largest] > max(system, question, rest):
        return f"Send the message without {largest}"
    if request.purpose is Purpose.SUMMARIZE or rest > max(system, question):
        return "Summarize the session"
    if question >= system:
        return "Shorten the message"
    if agent is None:
        return "Shorten the room's goal and its agents' instructions"
    return f"Shorten the instructions of @{agent.key}"
