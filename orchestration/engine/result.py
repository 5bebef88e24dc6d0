"""The result of a turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from orchestration.engine.ports import CallError
from orchestration.engine.routing import RoutingDecision
from orchestration.engine.run import complete_answers, out_of_budget, was_cancelled
from orchestration.engine.steps import StepResult
from orchestration.engine.summary import SummaryResult

TurnStatus = Literal["completed", "partial", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class TurnResult:
    """The result of a turn. `answers` are in transcript order."""

    status: TurnStatus
    answers: tuple[StepResult, ...]
    stop_reason: str | None = None
    error: CallError | None = None
    routing: tuple[tuple[int, RoutingDecision], ...] = ()
    """Round -> decision, in order."""
    summary: SummaryResult | None = None
    title: str = ""
    """A title for the session; empty: none was made."""


def result_from(
    answers: Sequence[StepResult],
    stop_reason: str | None = None,
    routing: tuple[tuple[int, RoutingDecision], ...] = (),
) -> TurnResult:
    """Return the turn's result: complete and failed answers decide the status, the first failure the error."""
    failed = [result for result in answers if result.status == "failed"]
    error = failed[0].error if failed else None
    if out_of_budget(answers):
        stop_reason = "budget"
    if stop_reason == "cancelled" or was_cancelled(answers):
        return TurnResult("cancelled", tuple(answers), "cancelled", None, routing)
    if not complete_answers(answers):
        reason = stop_reason if stop_reason == "budget" else "failed"
        return TurnResult("failed", tuple(answers), reason, error, routing)
    return TurnResult("partial" if failed else "completed", tuple(answers), stop_reason, error, routing)
