"""The rounds of a turn: the manager's decisions and the answers; a single round in modes without a manager."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestration.engine.modes import Mode
from orchestration.engine.purposes import Purpose
from sessions.models import Turn
from sessions.pages.answers import Answer
from sessions.rendering.markdown import visible_text

ASKED_TITLE = "Round {round}: {names}"
CONCLUDED_TITLE = "Manager concluded"


@dataclass(frozen=True, slots=True)
class Instruction:
    """An agent that the manager selected, with its instruction."""

    key: str
    name: str
    instruction: str


@dataclass(frozen=True, slots=True)
class Decision:
    """A routing card."""

    round: int
    instructions: Sequence[Instruction]
    reason: str
    used_fallback: bool

    @property
    def title(self) -> str:
        if not self.instructions:
            return CONCLUDED_TITLE
        return ASKED_TITLE.format(
            round=self.round, names=", ".join(agent.name for agent in self.instructions)
        )


@dataclass(frozen=True, slots=True)
class Round:
    number: int
    decision: Decision | None
    rows: Sequence[Sequence[Answer]]
    """Answers that ran in parallel share a row."""


def rounds_of(turn: Turn, answers: Sequence[Answer], names: Mapping[str, str]) -> list[Round]:
    """Return a turn's rounds in order, without the synthesis."""
    replies = [answer for answer in answers if answer.purpose != Purpose.SYNTHESIZE]
    if not turn.mode_spec.led:
        return [Round(1, None, in_rows(replies, turn.mode_spec))]
    decisions = {decided["round"]: decision_from(decided, names) for decided in turn.routing}
    numbers = sorted({*decisions, *(answer.round for answer in replies)})
    return [
        Round(
            number,
            decisions.get(number),
            in_rows([answer for answer in replies if answer.round == number], turn.mode_spec),
        )
        for number in numbers
    ]


def decision_from(decided: Mapping[str, Any], names: Mapping[str, str]) -> Decision:
    instructions = [
        Instruction(
            selection["agent_key"],
            names.get(selection["agent_key"], selection["agent_key"]),
            visible_text(selection["instruction"]),
        )
        for selection in decided["selections"]
    ]
    return Decision(decided["round"], instructions, visible_text(decided["reason"]), decided["used_fallback"])


def in_rows(answers: Sequence[Answer], mode: Mode) -> list[list[Answer]]:
    """Put answers that ran in parallel into one row; a running turn gets its rows in static/js/turn-view.js."""
    if mode.side_by_side:
        return [list(answers)] if answers else []
    return [[answer] for answer in answers]
