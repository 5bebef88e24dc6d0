"""A turn, from its snapshot to its result. Reads like the description of the modes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from orchestration.engine.context import reply_request
from orchestration.engine.control import Control
from orchestration.engine.ports import CallError, Ports
from orchestration.engine.specs import AgentSpec, TurnSpec
from orchestration.engine.steps import RetryPolicy, StepPlan, StepResult, run_step

TurnStatus = Literal["completed", "partial", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class TurnResult:
    """What a turn came to. `answers` are in transcript order."""

    status: TurnStatus
    answers: tuple[StepResult, ...]
    stop_reason: str | None = None
    error: CallError | None = None


async def run_turn(spec: TurnSpec, ports: Ports, control: Control, retry: RetryPolicy) -> TurnResult:
    """Run a turn, or what an earlier claim left of it. Raises only what the journal raises."""
    answers = await fan_out(spec, [spec.agent(key) for key in spec.addressed], ports, control, retry)
    return result_from(answers)


async def fan_out(
    spec: TurnSpec, agents: Sequence[AgentSpec], ports: Ports, control: Control, retry: RetryPolicy
) -> tuple[StepResult, ...]:
    """Ask agents side by side: all get the same message, none sees the others' answers of this turn."""
    plans = [reply_plan(spec, agent, round_number=1) for agent in agents]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run_step(plan, ports, control, retry)) for plan in plans]
    return tuple(task.result() for task in tasks)


def reply_plan(spec: TurnSpec, agent: AgentSpec, *, round_number: int) -> StepPlan:
    request, audit = reply_request(spec, agent)
    return StepPlan(f"reply:{round_number}:{agent.key}", "reply", agent, round_number, request, audit)


def result_from(answers: Sequence[StepResult]) -> TurnResult:
    """Return the turn's result: who answered and who did not decides the status, the first failure the error."""
    answered = [answer for answer in answers if answer.status == "complete"]
    failed = [answer for answer in answers if answer.status == "failed"]
    error = failed[0].error if failed else None
    if any(answer.status == "cancelled" for answer in answers):
        return TurnResult("cancelled", tuple(answers), "cancelled", None)
    if not answered:
        return TurnResult("failed", tuple(answers), "failed", error)
    return TurnResult("partial" if failed else "completed", tuple(answers), None, error)
