"""Orchestrator: the manager routes, specialists answer in parallel, the manager decides again, and synthesizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestration.engine.context import Prompt, build_request, roster_lines
from orchestration.engine.events import RoutingDecided
from orchestration.engine.routing import (
    RoutingDecision,
    Selection,
    fallback_decision,
    parse_decision,
    routing_schema,
)
from orchestration.engine.run import Run, answered, heard, was_cancelled
from orchestration.engine.specs import Purpose
from orchestration.engine.steps import StepPlan, StepResult

ROLE_CHARS = 300
"""How much of an agent's role the manager is shown."""

CONTRACT = (
    "Answer with one JSON object and nothing else, no prose and no code fence:\n"
    '{"action": "route" | "synthesize", "selections": [{"agent_key": "...", "instruction": "..."}], "reason": "..."}\n'
    '"route" asks the selected members, each with an instruction of its own; "synthesize" means that what has been '
    "said is enough (or that you can answer yourself). Never answer in a member's name."
)


@dataclass(slots=True)
class Progress:
    """How far an orchestrated turn has come."""

    results: list[StepResult] = field(default_factory=list)
    """Specialists' answers, and the synthesis at the end."""
    routing: list[tuple[int, RoutingDecision]] = field(default_factory=list)
    asked: set[Selection] = field(default_factory=set)
    calls: int = 0
    round: int = 0
    stop_reason: str | None = None
    manager_answers: bool = False
    """The manager itself chose to synthesize, even from nothing."""


async def orchestrate(run: Run) -> Progress:
    """Run the rounds until the manager is done or a guard outside the model says so, then synthesize."""
    progress = Progress(results=run.carried())
    while progress.stop_reason is None:
        progress.round += 1
        decision = await decide(run, progress)
        if decision is None:
            progress.stop_reason = "cancelled"
            return progress
        progress.routing.append((progress.round, decision))
        run.ports.events.emit(RoutingDecided(progress.round, decision))
        if decision.action == "synthesize":
            progress.manager_answers = not decision.used_fallback
            progress.stop_reason = "manager_done"
        else:
            await ask_specialists(run, progress, decision)
    if progress.stop_reason != "cancelled":
        await synthesize(run, progress)
    return progress


async def decide(run: Run, progress: Progress) -> RoutingDecision | None:
    """Return the decision for this round, None where the user cancelled meanwhile.

    Agents that the user tagged (or that a retry is about) are all asked in round 1, without a routing call.
    """
    spec, limits = run.spec, run.spec.limits
    if progress.round == 1 and (spec.addressed or spec.carried):
        selections = tuple(Selection(key, "") for key in spec.addressed)
        return RoutingDecision("route" if selections else "synthesize", selections, "Asked by the user.")
    keys = [agent.key for agent in spec.roster]
    result = await run.step(manager_plan(run, progress, "route" if progress.round == 1 else "evaluate"))
    if result.status == "cancelled":
        return None
    decision = (
        parse_decision(result.text, keys, most=limits.max_selections) if result.status == "complete" else None
    )
    return decision or fallback_decision(progress.round, keys)


async def ask_specialists(run: Run, progress: Progress, decision: RoutingDecision) -> None:
    """Ask the selected agents in parallel; set the stop reason where a guard ends the rounds."""
    limits = run.spec.limits
    fresh = [selection for selection in decision.selections if selection not in progress.asked]
    if not fresh:
        progress.stop_reason = "repeat"
        return
    fresh = fresh[: limits.max_specialist_calls - progress.calls]
    said = answered(progress.results)
    plans = [
        run.reply(
            run.spec.agent(selection.agent_key),
            round_number=progress.round,
            said=said,
            instruction=selection.instruction,
        )
        for selection in fresh
    ]
    results = await run.side_by_side(plans)
    progress.asked.update(fresh)
    progress.calls += len(fresh)
    progress.results.extend(results)
    if was_cancelled(results):
        progress.stop_reason = "cancelled"
    elif progress.calls >= limits.max_specialist_calls:
        progress.stop_reason = "max_calls"
    elif progress.round >= limits.max_rounds:
        progress.stop_reason = "max_rounds"


async def synthesize(run: Run, progress: Progress) -> None:
    """Have the manager put the answers together, unless one answer is the whole turn or there is nothing."""
    answers = answered(progress.results)
    if not answers and not progress.manager_answers:
        return
    if len(answers) == 1 and not run.spec.limits.always_synthesize and not run.spec.carried:
        return
    result = await run.step(manager_plan(run, progress, "synthesize"))
    progress.results.append(result)
    if result.status == "cancelled":
        progress.stop_reason = "cancelled"


def manager_plan(run: Run, progress: Progress, purpose: Purpose) -> StepPlan:
    """Plan a call of the manager: a decision, or the synthesis."""
    spec = run.spec
    assert spec.manager is not None
    decides = purpose != "synthesize"
    prompt = Prompt(
        model=spec.manager,
        purpose=purpose,
        system=manager_system(run, decides=decides),
        viewer_key=None,
        ask=ask_manager(run, progress, purpose),
        said=heard(progress.results),
        max_output_tokens=spec.limits.manager_max_tokens if decides else None,
        json_schema=routing_schema([agent.key for agent in spec.roster]) if decides else None,
    )
    request, audit = build_request(spec, prompt)
    slot = f"{purpose}:{progress.round}"
    return StepPlan(slot, purpose, None, progress.round, request, audit, live=not decides)


def manager_system(run: Run, *, decides: bool) -> str:
    spec = run.spec
    roles = "\n".join(
        f"- @{agent.key}: {agent.name}. {' '.join(agent.role_prompt.split())[:ROLE_CHARS]}"
        for agent in spec.roster
    )
    task = (
        "You decide which members answer the user's message, and whether enough has been said. You do not answer it "
        "yourself here."
        if decides
        else "You answer the user: put together what the members said, name who said what where it matters, say where "
        "they disagree, and come to a conclusion. Do not write new lines for the members."
    )
    parts = [
        f"You are the manager of the council {spec.room_name!r}. {task}",
        f"The council's goal: {spec.goal.strip()}",
        f"Its members:\n{roles if decides else roster_lines(spec)}",
        CONTRACT if decides else "",
    ]
    return "\n\n".join(part for part in parts if part)


def ask_manager(run: Run, progress: Progress, purpose: Purpose) -> str:
    limits = run.spec.limits
    if purpose == "synthesize":
        failed = names_of(result for result in progress.results if result.status == "failed")
        missing = f" {failed} could not answer; say so if it matters." if failed else ""
        return f"[To the manager]: Now write the council's answer to the user.{missing}"
    if purpose == "route":
        return (
            f"[To the manager]: Choose up to {limits.max_selections} members for the first round. JSON only."
        )
    left = limits.max_rounds - progress.round + 1
    return (
        f"[To the manager]: The members have answered. {left} more round(s) are possible, with up to "
        f"{limits.max_selections} members each. Ask again only for what is missing, else synthesize. JSON only."
    )


def names_of(results: object) -> str:
    names: Sequence[str] = [result.agent.name for result in results if result.agent]  # type: ignore[attr-defined]
    return ", ".join(names)
