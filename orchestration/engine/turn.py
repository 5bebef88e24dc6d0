"""A turn, from its snapshot to its result. Reads like the description of the modes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from orchestration.engine.control import Control
from orchestration.engine.modes import fan_out, roundtable
from orchestration.engine.orchestrator import orchestrate
from orchestration.engine.ports import CallError, Ports
from orchestration.engine.routing import RoutingDecision
from orchestration.engine.run import Run, answered, out_of_budget, was_cancelled
from orchestration.engine.specs import TurnSpec
from orchestration.engine.steps import BUDGET, EXHAUSTED, RetryPolicy, StepResult
from orchestration.engine.summary import SummaryResult, lines_to_summarize, summarize

TurnStatus = Literal["completed", "partial", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class TurnResult:
    """What a turn came to. `answers` are in transcript order."""

    status: TurnStatus
    answers: tuple[StepResult, ...]
    stop_reason: str | None = None
    error: CallError | None = None
    routing: tuple[tuple[int, RoutingDecision], ...] = ()
    """Round -> decision, in order."""
    summary: SummaryResult | None = None


async def run_turn(spec: TurnSpec, ports: Ports, control: Control, retry: RetryPolicy) -> TurnResult:
    """Run a turn, or what an earlier claim left of it. Raises only what the journal raises."""
    run = Run(spec, ports, control, retry)
    if spec.mode == "summary":
        return summary_result(run, await summarize(run))
    if spec.summarize is None:
        return await answer(run)
    if spec.summarize.first:
        summary = await summarize(run)
        return replace(await answer(after_summary(run, summary)), summary=summary)
    async with asyncio.TaskGroup() as group:
        answering = group.create_task(answer(run))
        answering.add_done_callback(lambda _: run.asked.set())
        summarizing = group.create_task(summarize_beside(run))
    return replace(answering.result(), summary=summarizing.result())


async def summarize_beside(run: Run) -> SummaryResult | None:
    """Summarize while the council answers; what the budget has left is for the answers first."""
    await run.asked.wait()
    return await summarize(run)


async def answer(run: Run) -> TurnResult:
    """Have the council answer, in the turn's mode."""
    match run.spec.mode:
        case "orchestrator":
            progress = await orchestrate(run)
            return result_from(progress.results, progress.stop_reason, tuple(progress.routing))
        case "roundtable":
            return result_from(await roundtable(run))
        case _:
            return result_from(await fan_out(run))


def result_from(
    answers: Sequence[StepResult],
    stop_reason: str | None = None,
    routing: tuple[tuple[int, RoutingDecision], ...] = (),
) -> TurnResult:
    """Return the turn's result: who answered and who did not decides the status, the first failure the error."""
    failed = [result for result in answers if result.status == "failed"]
    error = failed[0].error if failed else None
    if out_of_budget(answers):
        stop_reason = "budget"
    if stop_reason == "cancelled" or was_cancelled(answers):
        return TurnResult("cancelled", tuple(answers), "cancelled", None, routing)
    if not answered(answers):
        reason = stop_reason if stop_reason == "budget" else "failed"
        return TurnResult("failed", tuple(answers), reason, error, routing)
    return TurnResult("partial" if failed else "completed", tuple(answers), stop_reason, error, routing)


def after_summary(run: Run, summary: SummaryResult | None) -> Run:
    """Return the run with the new summary in place of what it covers."""
    if summary is None or run.spec.summarize is None:
        return run
    through = run.spec.summarize.through_seq
    history = tuple(line for line in run.spec.history if not 0 < line.seq <= through)
    return replace(run, spec=replace(run.spec, history=history, summary=summary.summary))


def summary_result(run: Run, summary: SummaryResult | None) -> TurnResult:
    """Return the result of a turn that only summarizes."""
    if summary is None and run.control.cancelled:
        return TurnResult("cancelled", (), "cancelled")
    if summary is None and run.control.exhausted:
        return TurnResult("failed", (), "failed", EXHAUSTED)
    if summary is None and lines_to_summarize(run.spec):
        return TurnResult("failed", (), "budget", BUDGET)
    return TurnResult("completed", (), summary=summary)
