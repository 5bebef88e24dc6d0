"""Which calls a turn may come to, before any is made: what budgets hold, and what people are told it will cost.

Sizes are counted on the very requests that would be sent: estimated for what people are shown, bounded for what is
held. A call that reads answers which do not exist yet is taken to read all that they may be, as far as its window
lets it.
"""

from __future__ import annotations

from orchestration.engine.call_sizes import Asked, CallSize, Habit, sized
from orchestration.engine.specs import TurnSpec
from orchestration.engine.summary import ATTEMPTS, lines_to_summarize, summary_step

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
    first = spec.summarize is not None and spec.summarize.first
    # The answers hear a summary that is made before them, beside what it stands for.
    heard = max((asked.options[0].output_tokens for asked in summarizing), default=0) if first else 0
    answering = spec.mode.forecast(spec, habit, heard)
    return [*summarizing, *answering] if first else [*answering, *summarizing]


def summary_calls(spec: TurnSpec, habit: Habit) -> list[Asked]:
    lines = lines_to_summarize(spec)
    return [
        Asked((sized(summary_step(spec, lines, attempt), habit),))
        for attempt in range(1, habit.summary_attempts + 1)
        if lines
    ]
