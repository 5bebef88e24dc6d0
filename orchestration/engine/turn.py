"""A turn from snapshot to result: its mode's run, with a summary before it or in parallel, and a title in parallel."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from orchestration.engine.control import Control
from orchestration.engine.ports import Ports
from orchestration.engine.result import TurnResult
from orchestration.engine.run import Run
from orchestration.engine.specs import TurnSpec
from orchestration.engine.steps import BUDGET, EXHAUSTED, RetryPolicy
from orchestration.engine.summary import SummaryResult, lines_to_summarize, summarize
from orchestration.engine.title import makes_title, title_beside


async def run_turn(spec: TurnSpec, ports: Ports, control: Control, retry: RetryPolicy) -> TurnResult:
    """Run a turn, or the rest of it after an earlier claim. Raises only what the journal raises."""
    run = Run(spec, ports, control, retry)
    if not makes_title(run):
        return await answer_and_summarize(run)
    async with asyncio.TaskGroup() as group:
        answering = group.create_task(answer_and_summarize(run))
        answering.add_done_callback(lambda _: run.answers_started.set())
        titling = group.create_task(title_beside(run, answering))
    return replace(answering.result(), title=titling.result())


async def answer_and_summarize(run: Run) -> TurnResult:
    """Run the turn's mode, and a due summary before it or in parallel."""
    spec = run.spec
    if spec.summarize is None or not spec.mode.spoken:
        return await spec.mode.run(run)
    if spec.summarize.first:
        summary = await summarize(run)
        return replace(await spec.mode.run(after_summary(run, summary)), summary=summary)
    async with asyncio.TaskGroup() as group:
        answering = group.create_task(spec.mode.run(run))
        answering.add_done_callback(lambda _: run.answers_started.set())
        summarizing = group.create_task(summarize_beside(run))
    return replace(answering.result(), summary=summarizing.result())


async def summarize_beside(run: Run) -> SummaryResult | None:
    """Summarize in parallel with the answers, which have priority on the remaining budget."""
    await run.answers_started.wait()
    return await summarize(run)


def after_summary(run: Run, summary: SummaryResult | None) -> Run:
    """Return the run with the new summary in place of the messages it covers."""
    if summary is None or run.spec.summarize is None:
        return run
    through = run.spec.summarize.through_seq
    history = tuple(line for line in run.spec.history if not 0 < line.seq <= through)
    return replace(run, spec=replace(run.spec, history=history, summary=summary.summary))


async def summarize_alone(run: Run) -> TurnResult:
    """Run a turn that only summarizes."""
    summary = await summarize(run)
    if summary is None and run.control.cancelled:
        return TurnResult("cancelled", (), "cancelled")
    if summary is None and run.control.exhausted:
        return TurnResult("failed", (), "failed", EXHAUSTED)
    if summary is None and lines_to_summarize(run.spec):
        return TurnResult("failed", (), "budget", BUDGET)
    return TurnResult("completed", (), summary=summary)
