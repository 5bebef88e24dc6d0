"""Manual and roundtable: agents answer side by side, or one after the other."""

from __future__ import annotations

from orchestration.engine.run import Run, was_cancelled
from orchestration.engine.steps import StepResult


async def fan_out(run: Run) -> list[StepResult]:
    """Ask all addressed agents the same message in parallel; none hears the others' answers of this turn."""
    carried = run.carried()
    have = {result.agent.key for result in carried if result.agent}
    plans = [run.reply(run.spec.agent(key)) for key in run.spec.addressed if key not in have]
    return in_room_order(run, [*carried, *await run.side_by_side(plans)])


async def roundtable(run: Run) -> list[StepResult]:
    """Ask the agents in turn; each hears the answers before its own. One that fails is passed over."""
    carried = {result.agent.key: result for result in run.carried() if result.agent}
    said: list[StepResult] = []
    for key in run.spec.addressed:
        said.append(carried.get(key) or await run.step(run.reply(run.spec.agent(key), said=said)))
        if was_cancelled(said):
            break
    return said


def in_room_order(run: Run, results: list[StepResult]) -> list[StepResult]:
    """Return results in the order in which their agents were addressed."""
    order = {key: place for place, key in enumerate(run.spec.addressed)}
    return sorted(results, key=lambda result: order[result.agent.key] if result.agent else len(order))
