"""Members answer in parallel or in turn."""

from __future__ import annotations

from collections.abc import Iterable

from orchestration.engine.call_sizes import FRAME_TOKENS, ExpectedCalls, TurnAssumption, call_size
from orchestration.engine.result import TurnResult, result_from
from orchestration.engine.run import Run, out_of_budget, reply_plan, was_cancelled
from orchestration.engine.specs import TurnSpec
from orchestration.engine.steps import StepResult


async def fan_out(run: Run) -> TurnResult:
    """Ask all addressed agents in parallel; none sees the others' answers of this turn."""
    plans = [reply_plan(run.spec, run.spec.agent(key)) for key in run.spec.missing()]
    answers = by_key([*run.carried_results(), *await run.side_by_side(plans)])
    return result_from([answers[key] for key in answer_order(run)])


def fan_out_calls(spec: TurnSpec, assumption: TurnAssumption, added_tokens: int) -> list[ExpectedCalls]:
    """Return the addressed agents' calls, each with the earlier conversation and a summary as context."""
    plans = [reply_plan(spec, spec.agent(key)) for key in spec.missing()]
    return [ExpectedCalls((call_size(plan, assumption, added_tokens=added_tokens),)) for plan in plans]


async def roundtable(run: Run) -> TurnResult:
    """Ask the agents in turn, each with the earlier answers as context. Failed agents are skipped."""
    carried = by_key(run.carried_results())
    answers: list[StepResult] = []
    for key in answer_order(run):
        answers.append(
            carried.get(key) or await run.step(reply_plan(run.spec, run.spec.agent(key), answers=answers))
        )
        if was_cancelled(answers) or out_of_budget(answers):
            break
    return result_from(
        [*answers, *(carried[key] for key in answer_order(run)[len(answers) :] if key in carried)]
    )


def roundtable_calls(spec: TurnSpec, assumption: TurnAssumption, added_tokens: int) -> list[ExpectedCalls]:
    """Return the addressed agents' calls, each with the earlier answers as context."""
    calls = []
    for key in spec.missing():
        call = call_size(reply_plan(spec, spec.agent(key)), assumption, added_tokens=added_tokens)
        calls.append(ExpectedCalls((call,)))
        added_tokens += call.output_tokens + FRAME_TOKENS
    return calls


def answer_order(run: Run) -> tuple[str, ...]:
    """Return the turn's agents: the addressed; in room order if other agents have carried answers."""
    addressed = run.spec.addressed
    keys = {*addressed, *by_key(run.carried_results())}
    if keys == set(addressed):
        return addressed
    return tuple(agent.key for agent in run.spec.roster if agent.key in keys)


def by_key(results: Iterable[StepResult]) -> dict[str, StepResult]:
    return {result.agent.key: result for result in results if result.agent}
