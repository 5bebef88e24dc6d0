"""Members answer in parallel or in turn."""

from __future__ import annotations

from collections.abc import Iterable

from orchestration.engine.call_sizes import FRAME_TOKENS, Asked, Habit, sized
from orchestration.engine.result import TurnResult, result_from
from orchestration.engine.run import Run, out_of_budget, reply_plan, was_cancelled
from orchestration.engine.specs import TurnSpec
from orchestration.engine.steps import StepResult


async def fan_out(run: Run) -> TurnResult:
    """Ask all addressed agents in parallel; none sees the others' answers of this turn."""
    plans = [reply_plan(run.spec, run.spec.agent(key)) for key in run.spec.missing()]
    answers = by_key([*run.carried(), *await run.side_by_side(plans)])
    return result_from([answers[key] for key in seats(run)])


def fan_out_calls(spec: TurnSpec, habit: Habit, heard: int) -> list[Asked]:
    """Return the addressed agents' calls, each with the earlier conversation and a summary as context."""
    plans = [reply_plan(spec, spec.agent(key)) for key in spec.missing()]
    return [Asked((sized(plan, habit, heard=heard),)) for plan in plans]


async def roundtable(run: Run) -> TurnResult:
    """Ask the agents in turn, each with the earlier answers as context. Failed agents are skipped."""
    carried = by_key(run.carried())
    said: list[StepResult] = []
    for key in seats(run):
        said.append(carried.get(key) or await run.step(reply_plan(run.spec, run.spec.agent(key), said=said)))
        if was_cancelled(said) or out_of_budget(said):
            break
    return result_from([*said, *(carried[key] for key in seats(run)[len(said) :] if key in carried)])


def roundtable_calls(spec: TurnSpec, habit: Habit, heard: int) -> list[Asked]:
    """Return the addressed agents' calls, each with the earlier answers as context."""
    calls = []
    for key in spec.missing():
        call = sized(reply_plan(spec, spec.agent(key)), habit, heard=heard)
        calls.append(Asked((call,)))
        heard += call.output_tokens + FRAME_TOKENS
    return calls


def seats(run: Run) -> tuple[str, ...]:
    """Return the turn's agents: the addressed; in room order if other agents have carried answers."""
    addressed = run.spec.addressed
    keys = {*addressed, *by_key(run.carried())}
    if keys == set(addressed):
        return addressed
    return tuple(agent.key for agent in run.spec.roster if agent.key in keys)


def by_key(results: Iterable[StepResult]) -> dict[str, StepResult]:
    return {result.agent.key: result for result in results if result.agent}
