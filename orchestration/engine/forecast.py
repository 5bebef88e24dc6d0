"""Which calls a turn may come to, before any is made: what budgets hold, and what people are told it will cost.

Sizes are counted on the very requests that would be sent: estimated for what people are shown, bounded for what is
held. A call that reads answers which do not exist yet is taken to read all that they may be, as far as its window
lets it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from orchestration.engine.bounds import most_input
from orchestration.engine.context import window_of
from orchestration.engine.orchestrator import Progress, manager_plan
from orchestration.engine.purposes import Purpose
from orchestration.engine.run import reply_plan
from orchestration.engine.specs import ModelSpec, TurnSpec
from orchestration.engine.steps import StepPlan
from orchestration.engine.summary import ATTEMPTS, lines_to_summarize, summary_step
from orchestration.engine.tokens import BYTES_PER_TOKEN

FRAME_TOKENS = 96
"""What stands around an answer that another call hears: its speaker's name and key, and the chat template."""


@dataclass(frozen=True, slots=True)
class CallSize:
    """A call that may be made. Tokens: estimated, or at most."""

    model: ModelSpec
    purpose: Purpose
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Asked:
    """`count` calls, each another one of `options`."""

    options: tuple[CallSize, ...]
    count: int = 1


@dataclass(frozen=True, slots=True)
class Habit:
    """How far a turn is taken to go."""

    output_tokens: int | None
    """What an answer is taken to have, None: as much as it may."""
    rounds: int
    selections: int
    """Agents that the manager is taken to choose for a round."""
    summary_attempts: int
    synthesizes: bool
    """Also where one answer alone would be the whole turn."""


AT_LEAST = Habit(output_tokens=1, rounds=1, selections=1, summary_attempts=1, synthesizes=False)
"""The shortest way through a turn."""


def as_usual(spec: TurnSpec, *, output_tokens: int) -> Habit:
    """Return the way that turns mostly go: one round, two agents, answers as long as those before."""
    return Habit(
        output_tokens=output_tokens,
        rounds=1,
        selections=min(2, spec.limits.max_selections),
        summary_attempts=1,
        synthesizes=False,
    )


def at_most(spec: TurnSpec) -> Habit:
    """Return the longest way: every round, every agent that may be chosen, every answer as long as it may be."""
    return Habit(
        output_tokens=None,
        rounds=spec.limits.max_rounds,
        selections=spec.limits.max_selections,
        summary_attempts=ATTEMPTS,
        synthesizes=True,
    )


def first_call(spec: TurnSpec) -> CallSize | None:
    """Return the call that a turn begins with; None where there is nothing left to ask."""
    for asked in expected_calls(spec, at_most(spec)):
        return asked.options[0]
    return None


def expected_calls(spec: TurnSpec, habit: Habit) -> list[Asked]:
    """Return the calls of a turn, in the order in which they begin."""
    summarizing = summary_calls(spec, habit) if spec.summarize is not None else []
    if spec.mode == "summary":
        return summarizing
    first = spec.summarize is not None and spec.summarize.first
    # The answers hear a summary that is made before them, beside what it stands for.
    heard = max((asked.options[0].output_tokens for asked in summarizing), default=0) if first else 0
    answers = council_calls if spec.mode == "orchestrator" else member_calls
    answering = answers(spec, habit, heard)
    return [*summarizing, *answering] if first else [*answering, *summarizing]


def summary_calls(spec: TurnSpec, habit: Habit) -> list[Asked]:
    lines = lines_to_summarize(spec)
    return [
        Asked((sized(summary_step(spec, lines, attempt), habit),))
        for attempt in range(1, habit.summary_attempts + 1)
        if lines
    ]


def member_calls(spec: TurnSpec, habit: Habit, heard: int) -> list[Asked]:
    """Return the answers of those who are addressed; in a roundtable each hears the ones before."""
    calls = []
    for key in spec.missing():
        call = sized(reply_plan(spec, spec.agent(key)), habit, heard=heard)
        calls.append(Asked((call,)))
        if spec.mode == "roundtable":
            heard += call.output_tokens + FRAME_TOKENS
    return calls


def council_calls(spec: TurnSpec, habit: Habit, heard: int) -> list[Asked]:
    """Return the manager's calls and those of the specialists it may choose."""
    calls: list[Asked] = []
    made = 0
    for number in range(1, habit.rounds + 1):
        tagged = number == 1 and bool(spec.addressed or spec.carried)
        instruction = 0
        if not tagged:
            purpose = Purpose.ROUTE if number == 1 else Purpose.EVALUATE
            decision = sized(manager_plan(spec, Progress(round=number), purpose), habit, heard=heard)
            calls.append(Asked((decision,)))
            instruction = decision.output_tokens
        keys = spec.missing() if tagged else [agent.key for agent in spec.roster]
        known = spec.instructions if tagged else {}
        options = tuple(
            sized(
                reply_plan(spec, spec.agent(key), round_number=number, instruction=known.get(key, "")),
                habit,
                heard=heard + instruction,
            )
            for key in keys
        )
        wanted = len(keys) if tagged else min(habit.selections, len(keys))
        count = min(wanted, spec.limits.max_specialist_calls - made)
        if count > 0:
            # Whom a tag names is asked for certain, in that order.
            calls += [Asked((option,)) for option in options] if tagged else [Asked(options, count)]
        made += max(count, 0)
        heard += sum(tokens + FRAME_TOKENS for tokens in longest(options, max(count, 0)))
    if habit.synthesizes or made + len(spec.carried) != 1 or spec.limits.always_synthesize:
        calls.append(Asked((sized(manager_plan(spec, Progress(), Purpose.SYNTHESIZE), habit, heard=heard),)))
    return calls


def longest(options: Iterable[CallSize], count: int) -> list[int]:
    return sorted((option.output_tokens for option in options), reverse=True)[:count]


def sized(plan: StepPlan, habit: Habit, *, heard: int = 0) -> CallSize:
    """Return a planned call's size, with `heard` more tokens of answers that it may be told."""
    request = plan.request
    room = window_of(request.model, request.max_output_tokens).input_budget
    size = CallSize(request.model, request.purpose, plan.context["estimate_after"], request.max_output_tokens)
    if habit.output_tokens is None:
        # An answer is read as text, and a window takes as many bytes as their estimate lets it.
        heard *= BYTES_PER_TOKEN
        frame = most_input(replace(request, system="", messages=()))
        room = math.ceil(room * BYTES_PER_TOKEN / request.model.calibration) + frame
        size = replace(size, input_tokens=most_input(request))
    else:
        size = replace(size, output_tokens=min(habit.output_tokens, size.output_tokens))
    now = size.input_tokens
    return replace(size, input_tokens=max(now, min(now + heard, room))) if heard else size
