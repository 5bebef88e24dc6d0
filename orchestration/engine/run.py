"""Shared by all modes: the spec, the ports, the cancel switch, and the planning of agents' answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from orchestration.engine.context import MANAGER_NAME, TO_AN_AGENT, build_request, reply_prompt
from orchestration.engine.control import Control
from orchestration.engine.guard import fold, openings_of
from orchestration.engine.ports import Ports
from orchestration.engine.purposes import Purpose
from orchestration.engine.specs import AgentSpec, HistoryMessage, TurnSpec
from orchestration.engine.steps import BUDGET, RetryPolicy, StepPlan, StepResult, run_step


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a turn."""

    spec: TurnSpec
    ports: Ports
    control: Control
    retry: RetryPolicy
    answers_started: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the first calls for answers have reserved funds."""

    async def step(self, plan: StepPlan) -> StepResult:
        if plan.purpose is not Purpose.SUMMARIZE:
            self.answers_started.set()
        return await run_step(plan, self.ports, self.control, self.retry)

    async def side_by_side(self, plans: Sequence[StepPlan]) -> list[StepResult]:
        """Run steps in parallel; return their results in the order of the plans."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.step(plan)) for plan in plans]
        return [task.result() for task in tasks]

    def carried_results(self) -> list[StepResult]:
        """Return the answers carried over from the turn that this one replaces, by round and in room order."""
        place = {agent.key: number for number, agent in enumerate(self.spec.roster)}
        kept = [answer for answer in self.spec.carried if answer.agent_key in place]
        kept.sort(key=lambda answer: (answer.round, place[answer.agent_key]))
        return [
            StepResult(
                answer.message_id,
                Purpose.REPLY,
                self.spec.agent(answer.agent_key),
                answer.round,
                answer.model,
                "complete",
                answer.text,
            )
            for answer in kept
        ]


def reply_plan(
    spec: TurnSpec,
    agent: AgentSpec,
    *,
    round_number: int = 1,
    answers: Sequence[StepResult] = (),
    instruction: str = "",
) -> StepPlan:
    """Plan an agent's answer, with the answers in `answers` as context."""
    prompt = reply_prompt(spec, agent, answers=as_history(answers), instruction=instruction)
    request, audit = build_request(spec, prompt)
    slot = f"{Purpose.REPLY}:{round_number}:{agent.key}"
    return StepPlan(
        slot,
        Purpose.REPLY,
        agent,
        round_number,
        request,
        audit,
        others=others_of(spec, agent),
        shorten=partial(build_request, spec, prompt),
    )


def others_of(spec: TurnSpec, agent: AgentSpec) -> tuple[tuple[str, str], ...]:
    """Return the beginnings of lines that go on as somebody else, each with the speaker's name."""
    if spec.mode.alone or not spec.limits.speaker_guard:
        return ()
    own = openings_of(agent.name, agent.key)
    others = [openings_of(member.name, member.key) for member in spec.roster if member.key != agent.key]
    labels = [openings_of(label) for label in (MANAGER_NAME, TO_AN_AGENT)]
    own_texts = {fold(text) for text, _ in own}
    return tuple(pair for pairs in (*others, *labels) for pair in pairs if fold(pair[0]) not in own_texts)


def complete_answers(results: Sequence[StepResult]) -> list[StepResult]:
    return [result for result in results if result.status == "complete"]


def was_cancelled(results: Sequence[StepResult]) -> bool:
    return any(result.status == "cancelled" for result in results)


def as_history(results: Sequence[StepResult]) -> tuple[HistoryMessage, ...]:
    """Return this turn's complete answers as messages for later speakers; failed answers are left out."""
    return tuple(
        HistoryMessage(0, "agent", result.text, result.agent.key, result.agent.name)
        for result in complete_answers(results)
        if result.agent is not None
    )


def out_of_budget(results: Sequence[StepResult]) -> bool:
    return any(result.error == BUDGET for result in results)
