"""The calls that a turn may make, before any is made: for budget holds and cost estimates.

Sizes are computed from the exact requests: estimates for display, upper bounds for holds. If a call reads answers
that do not exist yet, their maximum length is assumed, as far as it fits into the call's window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestration.engine.call_sizes import CallSize, ExpectedCalls, TurnAssumption, call_size
from orchestration.engine.contracts import ATTEMPTS
from orchestration.engine.specs import TurnSpec
from orchestration.engine.summary import lines_to_summarize, summary_step
from orchestration.engine.title import USUAL_TITLE_TOKENS, title_step

AT_LEAST = TurnAssumption(output_tokens=1, rounds=1, selections=1, contract_attempts=1, synthesizes=False)
"""The shortest possible turn."""


def as_usual(spec: TurnSpec, *, output_tokens: int) -> TurnAssumption:
    """Return the assumptions for a typical turn: one round, two agents, answers as long as earlier ones."""
    return TurnAssumption(
        output_tokens=output_tokens,
        rounds=1,
        selections=min(2, spec.limits.max_selections),
        contract_attempts=1,
        synthesizes=False,
    )


def at_most(spec: TurnSpec) -> TurnAssumption:
    """Return the assumptions for the longest turn: every round, every agent, every answer at its maximum length."""
    return TurnAssumption(
        output_tokens=None,
        rounds=spec.limits.max_rounds,
        selections=spec.limits.max_selections,
        contract_attempts=ATTEMPTS,
        synthesizes=True,
    )


def first_call(calls: Sequence[ExpectedCalls]) -> CallSize | None:
    """Return the first of a turn's calls; None if there is nothing left to ask."""
    return calls[0].options[0] if calls else None


def expected_calls(spec: TurnSpec, assumption: TurnAssumption) -> list[ExpectedCalls]:
    """Return the calls of a turn, in the order in which they begin."""
    summarizing = summary_calls(spec, assumption) if spec.summarize is not None else []
    first = spec.summarize is not None and spec.summarize.first
    # A summary made before the answers is added to their context, and the messages it replaces are still counted.
    added_tokens = max((calls.options[0].output_tokens for calls in summarizing), default=0) if first else 0
    answering = spec.mode.forecast(spec, assumption, added_tokens)
    titling = title_calls(spec, assumption)
    return [*summarizing, *answering, *titling] if first else [*answering, *summarizing, *titling]


def title_calls(spec: TurnSpec, assumption: TurnAssumption) -> list[ExpectedCalls]:
    """Return the call for a title: the last, because it never prevents an answer."""
    if not spec.draft_title:
        return []
    if assumption.output_tokens is not None:
        assumption = replace(assumption, output_tokens=min(assumption.output_tokens, USUAL_TITLE_TOKENS))
    return [ExpectedCalls((call_size(title_step(spec), assumption),))]


def summary_calls(spec: TurnSpec, assumption: TurnAssumption) -> list[ExpectedCalls]:
    lines = lines_to_summarize(spec)
    return [
        ExpectedCalls((call_size(summary_step(spec, lines, attempt), assumption),))
        for attempt in range(1, assumption.contract_attempts + 1)
        if lines
    ]
