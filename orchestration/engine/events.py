"""Events of a running turn. The bridge adds ids, times and amounts and publishes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from orchestration.engine.purposes import Purpose
from orchestration.engine.routing import RoutingDecision


@dataclass(frozen=True, slots=True)
class StepStarted:
    """An agent or the manager begins to answer. A retried step starts once."""

    step_id: str
    purpose: Purpose
    agent_key: str | None
    agent_name: str | None
    model: str
    """The model's alias."""
    round: int


@dataclass(frozen=True, slots=True)
class StepDelta:
    """More text. The `text` deltas of a step concatenate to its text, byte for byte."""

    step_id: str
    kind: Literal["text", "reasoning"]
    text: str


@dataclass(frozen=True, slots=True)
class StepCompleted:
    """The step's answer is complete and durable."""

    step_id: str
    call_id: str
    text: str
    cut_for: str = ""
    """The other speaker as whom the answer went on, which is why it was cut."""


@dataclass(frozen=True, slots=True)
class StepFailed:
    """The step has no complete answer; text from before the failure is kept."""

    step_id: str
    code: str
    message: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class RoutingDecided:
    """The selected agents with their instructions, and the reason."""

    round: int
    decision: RoutingDecision


EngineEvent = StepStarted | StepDelta | StepCompleted | StepFailed | RoutingDecided
