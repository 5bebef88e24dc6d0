"""The size of a call before it is made, computed from the exact request.

Sizes are estimates where they are displayed and upper bounds where budget is held.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from orchestration.engine.bounds import most_input
from orchestration.engine.context import window_of
from orchestration.engine.purposes import Purpose
from orchestration.engine.specs import ModelSpec
from orchestration.engine.steps import StepPlan
from orchestration.engine.tokens import BYTES_PER_TOKEN

FRAME_TOKENS = 96
"""Tokens around an answer in another call's context: its speaker's name and key, and the chat template."""


@dataclass(frozen=True, slots=True)
class CallSize:
    """A possible call. Tokens are an estimate or an upper bound."""

    model: ModelSpec
    purpose: Purpose
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class ExpectedCalls:
    """`count` calls, each to a different one of `options`."""

    options: tuple[CallSize, ...]
    count: int = 1


@dataclass(frozen=True, slots=True)
class TurnAssumption:
    """Assumptions about the length of a turn."""

    output_tokens: int | None
    """Assumed length of an answer; None: its maximum."""
    rounds: int
    selections: int
    """Agents that the manager is assumed to choose per round."""
    contract_attempts: int
    """Calls for a decision or a summary."""
    synthesizes: bool
    """Count a synthesis even if a single answer could be the whole turn."""


def call_size(plan: StepPlan, assumption: TurnAssumption, *, added_tokens: int = 0) -> CallSize:
    """Return a planned call's size; `added_tokens`: additional tokens of answers that may be in its context."""
    request = plan.request
    room = window_of(request.model, request.max_output_tokens).input_budget
    size = CallSize(request.model, request.purpose, plan.context["estimate_after"], request.max_output_tokens)
    if assumption.output_tokens is None:
        # Answers enter the context as text, and a window holds as many bytes as their estimate allows.
        added_tokens *= BYTES_PER_TOKEN
        frame = most_input(replace(request, system="", messages=()))
        room = math.ceil(room * BYTES_PER_TOKEN / request.model.calibration) + frame
        size = replace(size, input_tokens=most_input(request))
    else:
        size = replace(size, output_tokens=min(assumption.output_tokens, size.output_tokens))
    now = size.input_tokens
    return replace(size, input_tokens=max(now, min(now + added_tokens, room))) if added_tokens else size
