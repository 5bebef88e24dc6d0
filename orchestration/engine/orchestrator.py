"""Orchestrator: the manager selects agents, they answer in parallel, and it selects again or writes the synthesis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from orchestration.engine.call_sizes import FRAME_TOKENS, CallSize, ExpectedCalls, TurnAssumption, call_size
from orchestration.engine.context import TO_THE_MANAGER, Prompt, build_request, roster_lines
from orchestration.engine.contracts import (
    ASK_AGAIN,
    ATTEMPTS,
    fallback_reason,
    may_ask_again,
    reason_sentence,
)
from orchestration.engine.events import RoutingDecided
from orchestration.engine.files import RULE
from orchestration.engine.guard import openings_of
from orchestration.engine.output_limits import SETTINGS
from orchestration.engine.purposes import Purpose
from orchestration.engine.result import TurnResult, result_from
from orchestration.engine.routing import (
    RoutingDecision,
    Selection,
    fallback_decision,
    parse_decision,
    routing_schema,
)
from orchestration.engine.run import (
    Run,
    as_history,
    complete_answers,
    out_of_budget,
    reply_plan,
    was_cancelled,
)
from orchestration.engine.specs import TurnSpec
from orchestration.engine.steps import BUDGET, EXHAUSTED, StepPlan, StepResult

ROLE_CHARS = 300
"""Maximum characters of an agent's role that the manager sees."""

CONTRACT = (
    "Answer with one JSON object and nothing else, no prose and no code fence:\n"
    '{"action": "route" | "synthesize", "selections": [{"agent_key": "...", "instruction": "..."}], "reason": "..."}\n'
    '"route" asks the selected members, each with an instruction of its own; "synthesize" means that what has been '
    "said is enough (or that you can answer yourself). Never answer in a member's name."
)


@dataclass(slots=True)
class Progress:
    """The state of an orchestrated turn."""

    results: list[StepResult] = field(default_factory=list)
    """Specialists' answers, and the synthesis at the end."""
    routing: list[tuple[int, RoutingDecision]] = field(default_factory=list)
    questions: set[tuple[str, str]] = field(default_factory=set)
    calls: int = 0
    round: int = 0
    stop_reason: str | None = None
    manager_answers: bool = False
    """The manager itself chose to synthesize, even without answers."""


async def orchestrate(run: Run) -> TurnResult:
    progress = await run_rounds(run)
    return result_from(progress.results, progress.stop_reason, tuple(progress.routing))


async def run_rounds(run: Run) -> Progress:
    """Run rounds until the manager is done or a limit ends them, then synthesize."""
    progress = Progress(results=run.carried_results())
    while progress.stop_reason is None:
        progress.round += 1
        decision = await decide(run, progress)
        if decision is None:
            return progress
        decision = apply_guards(run, progress, decision)
        progress.routing.append((progress.round, decision))
        run.ports.events.emit(RoutingDecided(progress.round, decision))
        if decision.action == "synthesize":
            progress.manager_answers = not decision.used_fallback
            progress.stop_reason = "manager_done"
        elif not decision.selections:
            progress.stop_reason = "repeat"
        else:
            await ask_specialists(run, progress, decision.selections)
    if progress.stop_reason not in ("cancelled", "budget"):
        await synthesize(run, progress)
    return progress


async def decide(run: Run, progress: Progress) -> RoutingDecision | None:
    """Return the decision for this round; None if the turn ends without one (the stop reason is set).

    Agents that the user tagged, or that a retry is for, are all asked in round 1, without a routing call; on a retry
    with their earlier instructions.
    """
    spec = run.spec
    if progress.round == 1 and (spec.addressed or spec.carried):
        selections = tuple(Selection(key, spec.instructions.get(key, "")) for key in spec.missing())
        return RoutingDecision("route" if selections else "synthesize", selections, "Asked by the user.")
    purpose = Purpose.ROUTE if progress.round == 1 else Purpose.EVALUATE
    keys = [agent.key for agent in spec.roster]
    for attempt in range(1, ATTEMPTS + 1):
        result = await run.step(manager_plan(spec, progress, purpose, attempt=attempt))
        if result.status == "cancelled":
            progress.stop_reason = "cancelled"
            return None
        if result.error in (EXHAUSTED, BUDGET):
            progress.stop_reason = "budget" if result.error == BUDGET else "failed"
            progress.results.append(result)
            return None
        if result.status == "complete":
            decision = decision_in(spec, result.text)
            if decision is not None:
                return decision
        cause = fallback_reason(result)
        if not may_ask_again(cause, result):
            break
    error = result.error.message if result.error else ""
    sentence = reason_sentence(cause, "manager", error=error, setting=SETTINGS[purpose])
    return fallback_decision(progress.round, keys, turn_id=spec.turn_id, cause=cause, sentence=sentence)


def apply_guards(run: Run, progress: Progress, decision: RoutingDecision) -> RoutingDecision:
    """Remove repeated questions from a decision, and agents beyond the maximum number of calls."""
    fresh = [selection for selection in decision.selections if same(selection) not in progress.questions]
    left = run.spec.limits.max_specialist_calls - progress.calls
    return replace(decision, selections=tuple(fresh[:left]))


def same(selection: Selection) -> tuple[str, str]:
    """Return a key for detecting repeated questions; ignores letter case and whitespace."""
    return selection.agent_key, " ".join(selection.instruction.casefold().split())


async def ask_specialists(run: Run, progress: Progress, selections: Sequence[Selection]) -> None:
    """Ask the selected agents in parallel; set the stop reason if a limit ends the rounds.

    Agents see the answers of earlier rounds. An answer carried over keeps its round, so that an agent asked for the
    first time answers as independently as it would have then.
    """
    earlier = [result for result in complete_answers(progress.results) if result.round < progress.round]
    plans = [
        reply_plan(
            run.spec,
            run.spec.agent(selection.agent_key),
            round_number=progress.round,
            answers=earlier,
            instruction=selection.instruction,
        )
        for selection in selections
    ]
    results = await run.side_by_side(plans)
    progress.questions.update(map(same, selections))
    progress.calls += len(selections)
    progress.results.extend(results)
    limits = run.spec.limits
    if was_cancelled(results):
        progress.stop_reason = "cancelled"
    elif out_of_budget(results):
        progress.stop_reason = "budget"
    elif progress.calls >= limits.max_specialist_calls:
        progress.stop_reason = "max_calls"
    elif progress.round >= limits.max_rounds:
        progress.stop_reason = "max_rounds"


async def synthesize(run: Run, progress: Progress) -> None:
    """Run the manager's synthesis, unless there is only one answer (and it may be the whole turn) or none."""
    answers = complete_answers(progress.results)
    if not answers and not progress.manager_answers:
        return
    if len(answers) == 1 and not run.spec.limits.always_synthesize:
        return
    progress.results.append(await run.step(manager_plan(run.spec, progress, Purpose.SYNTHESIZE)))


def manager_plan(spec: TurnSpec, progress: Progress, purpose: Purpose, *, attempt: int = 1) -> StepPlan:
    """Plan a call of the manager: a decision, or the synthesis."""
    assert spec.manager is not None
    decides = purpose is not Purpose.SYNTHESIZE
    prompt = Prompt(
        model=spec.manager,
        purpose=purpose,
        system=manager_system(spec, decides=decides),
        viewer_key=None,
        ask=ask_manager(spec, progress, purpose) + (f" {ASK_AGAIN}" if attempt > 1 else ""),
        answers=as_history(progress.results),
        excerpts=decides,
        max_output_tokens=spec.limits.manager_max_tokens if decides else spec.limits.answer_max_tokens,
        temperature=None if decides else spec.limits.answer_temperature,
        json_schema=routing_schema([agent.key for agent in spec.roster]) if decides else None,
    )
    request, audit = build_request(spec, prompt)
    return StepPlan(
        f"{purpose}:{progress.round}" if attempt == 1 else f"{purpose}:{progress.round}:{attempt}",
        purpose,
        None,
        progress.round,
        request,
        audit,
        others=() if decides or not spec.limits.speaker_guard else tuple(openings_of(TO_THE_MANAGER)),
        is_usable=partial(is_decision, spec) if decides else None,
        shorten=partial(build_request, spec, prompt),
    )


def is_decision(spec: TurnSpec, text: str) -> bool:
    return decision_in(spec, text) is not None


def decision_in(spec: TurnSpec, text: str) -> RoutingDecision | None:
    return parse_decision(text, [agent.key for agent in spec.roster], most=spec.limits.max_selections)


def manager_system(spec: TurnSpec, *, decides: bool) -> str:
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
        spec.client_system,
        f"Its members:\n{roles if decides else roster_lines(spec)}",
        CONTRACT if decides else "",
        RULE if spec.has_files else "",
    ]
    return "\n\n".join(part for part in parts if part)


def ask_manager(spec: TurnSpec, progress: Progress, purpose: Purpose) -> str:
    limits = spec.limits
    names = dict.fromkeys(
        result.agent.name for result in progress.results if result.agent and result.status == "failed"
    )
    missing = f" {', '.join(names)} could not answer." if names else ""
    if purpose is Purpose.ROUTE:
        ask = f"Choose up to {limits.max_selections} members for the first round. JSON only."
    elif purpose is Purpose.EVALUATE:
        left = limits.max_rounds - progress.round + 1
        ask = (
            f"The members have answered.{missing} {left} more round(s) are possible, with up to "
            f"{limits.max_selections} members each. Ask again only for what is missing, else synthesize. JSON only."
        )
    elif complete_answers(progress.results):
        ask = f"Now write the council's answer to the user.{missing}"
    else:
        ask = f"There is no member's answer to draw on.{missing} Answer the user yourself."
    return f"[{TO_THE_MANAGER}]: {ask}"


def council_calls(spec: TurnSpec, assumption: TurnAssumption, added_tokens: int) -> list[ExpectedCalls]:
    """Return the manager's calls and those of the specialists it may choose."""
    calls: list[ExpectedCalls] = []
    made = 0
    for number in range(1, assumption.rounds + 1):
        tagged = number == 1 and bool(spec.addressed or spec.carried)
        instruction = 0
        if not tagged:
            purpose = Purpose.ROUTE if number == 1 else Purpose.EVALUATE
            decision = call_size(
                manager_plan(spec, Progress(round=number), purpose), assumption, added_tokens=added_tokens
            )
            calls += [ExpectedCalls((decision,))] * assumption.contract_attempts
            instruction = decision.output_tokens
        keys = spec.missing() if tagged else [agent.key for agent in spec.roster]
        instructions = spec.instructions if tagged else {}
        options = tuple(
            call_size(
                reply_plan(spec, spec.agent(key), round_number=number, instruction=instructions.get(key, "")),
                assumption,
                added_tokens=added_tokens + instruction,
            )
            for key in keys
        )
        wanted = len(keys) if tagged else min(assumption.selections, len(keys))
        count = min(wanted, spec.limits.max_specialist_calls - made)
        if count > 0:
            # Tagged agents are certain to be asked, in that order.
            calls += (
                [ExpectedCalls((option,)) for option in options]
                if tagged
                else [ExpectedCalls(options, count)]
            )
        made += max(count, 0)
        added_tokens += sum(tokens + FRAME_TOKENS for tokens in longest(options, max(count, 0)))
    if assumption.synthesizes or made + len(spec.carried) != 1 or spec.limits.always_synthesize:
        plan = manager_plan(spec, Progress(), Purpose.SYNTHESIZE)
        calls.append(ExpectedCalls((call_size(plan, assumption, added_tokens=added_tokens),)))
    return calls


def longest(options: Iterable[CallSize], count: int) -> list[int]:
    return sorted((option.output_tokens for option in options), reverse=True)[:count]
