"""The size of a call before it is made, counted on the very request that would be sent.

A size is estimated for what people are shown and bounded for what is held.
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
"""What stands around an answer that another call hears: its speaker's name and key, and the chat template."""


@dataclass(frozen=True, slots=True)
class CallSize:
    """A call that may be made. Tokens: estimated, or at most."""

    model: ModelSpec
    purpose: Purpose
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Asked:
    """`count` calls, each another one of `options`."""

    options: tuple[CallSize, ...]
    count: int = 1


@dataclass(frozen=True, slots=True)
class Habit:
    """How far a turn is taken to go."""

    output_tokens: int | None
    """What an answer is taken to have, None: as much as it may."""
    rounds: int
    selections: int
    """Agents that the manager is taken to choose for a round."""
    summary_attempts: int
    synthesizes: bool
    """Also where one answer alone would be the whole turn."""


def sized(plan: StepPlan, habit: Habit, *, heard: int = 0) -> CallSize:
    """Return a planned call's size, with `heard` more tokens of answers that it may be told."""
    request = plan.request
    room = window_of(request.model, request.max_output_tokens).input_budget
    size = CallSize(request.model, request.purpose, plan.context["estimate_after"], request.max_output_tokens)
    if habit.output_tokens is None:
        # An answer is read as text, and a window takes as many bytes as their estimate lets it.
        heard *= BYTES_PER_TOKEN
        frame = most_input(replace(request, system="", messages=()))
        room = math.ceil(room * BYTES_PER_TOKEN / request.model.calibration) + frame
        size = replace(size, input_tokens=most_input(request))
    else:
        size = replace(size, output_tokens=min(habit.output_tokens, size.output_tokens))
    now = size.input_tokens
    return replace(size, input_tokens=max(now, min(now + heard, room))) if heard else size
