"""When to summarize older turns beside the answers, and up to which message."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from orchestration.engine.context import full_input, window_of
from orchestration.engine.specs import HistoryMessage, SummaryPlan, TurnSpec
from sessions.services.roster import list_candidates


def summary_due(spec: TurnSpec) -> SummaryPlan | None:
    """Return the summary to make in this turn, None if none is due.

    A summary is due when an agent's input budget is used to `PANTHEON_SUMMARY_TRIGGER`, or
    `PANTHEON_SUMMARY_EVERY_TURNS` turns after the last summary. The newest `PANTHEON_VERBATIM_TURNS` turns
    stay verbatim.
    """
    lines = [line for line in spec.history if line.seq > 0]  # a client keeps its own lines
    verbatim_seq, turns = verbatim_from_seq(lines)
    older_seqs = [line.seq for line in lines if line.seq < verbatim_seq]
    if not older_seqs:
        return None
    shares = [
        full_input(spec, agent) / window_of(agent.model, agent.max_output_tokens).input_budget
        for agent in list_candidates(spec)
    ]
    if max(shares) < settings.PANTHEON_SUMMARY_TRIGGER and turns < settings.PANTHEON_SUMMARY_EVERY_TURNS:
        return None
    return SummaryPlan(through_seq=older_seqs[-1], first=max(shares) > 1)


def verbatim_from_seq(history: Sequence[HistoryMessage]) -> tuple[int, int]:
    """Return the seq from which the newest turns stay verbatim, and the number of turns in the history."""
    if not history:
        return 0, 0
    firsts = [line.seq for line in history if line.role == "user"]
    verbatim = firsts[-settings.PANTHEON_VERBATIM_TURNS :] if settings.PANTHEON_VERBATIM_TURNS else []
    return (verbatim[0] if verbatim else history[-1].seq + 1), len(firsts)
