"""A turn as the transcript shows it: rows become what a template needs, in the order in which lanes stood."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sessions.markdown import render_markdown, visible_text
from sessions.models import Call, Message, Turn
from sessions.pages.money import Money, money
from sessions.selectors.pages import TurnRows

HUES = 8
"""Colours by which agents are told apart; static/css/tokens.css has them."""

SIDE_BY_SIDE = frozenset({Turn.Mode.MANUAL, Turn.Mode.ORCHESTRATOR})
"""The modes in which the agents of a round answer at once."""


def hue(key: str) -> int:
    """Return an agent's colour; static/js/lanes.js finds the same."""
    return sum(map(ord, key)) % HUES


@dataclass(frozen=True, slots=True)
class Answer:
    """One lane: what an agent said, or why it did not."""

    step_id: str
    purpose: str
    round: int
    agent_key: str
    agent_name: str
    model: str
    state: str
    html: str
    error: str
    cost: Money | None

    @property
    def hue(self) -> int:
        return hue(self.agent_key)

    @property
    def initial(self) -> str:
        return (self.agent_name or self.agent_key or "?")[:1].upper()


@dataclass(frozen=True, slots=True)
class TurnView:
    """A turn: the user's message and rows of answers that stood side by side."""

    turn: Turn
    message: str
    rows: Sequence[Sequence[Answer]]
    cost: Money | None
    error: str

    @property
    def running(self) -> bool:
        return not self.turn.is_final


def turn_view(rows: TurnRows) -> TurnView:
    turn = rows.turn
    answers = answers_of(rows)
    question = next((message.text for message in rows.messages if message.role == Message.Role.USER), "")
    return TurnView(
        turn=turn,
        message=visible_text(question),
        rows=in_rows(answers, turn.mode),
        cost=money(total_cost(event.cost_pico for event in rows.events)) if turn.is_final else None,
        error="" if answers or not turn.error else turn.error["message"],
    )


def total_cost(costs: Iterable[int | None]) -> int | None:
    """Return the sum of what is priced, None where nothing is; what made no call cost nothing."""
    costs = list(costs)
    priced = [cost for cost in costs if cost is not None]
    return sum(priced) if priced or not costs else None


def answers_of(rows: TurnRows) -> list[Answer]:
    """Return a final turn's answers in the order in which their steps began; a running turn's come as events."""
    if not rows.turn.is_final:
        return []
    attempts: dict[uuid.UUID, list[Call]] = {}
    for call in rows.calls:
        attempts.setdefault(call.step_id, []).append(call)
    costs = {event.pk: event.cost_pico for event in rows.events}
    messages = {message.pk: message for message in rows.messages if message.role != Message.Role.USER}
    silent = [
        calls for step_id, calls in attempts.items() if step_id not in messages and went_unheard(calls[-1])
    ]
    placed = [
        (place_of(attempts.get(step_id)), message.seq, step_id) for step_id, message in messages.items()
    ]
    placed += [(place_of(calls), 0, calls[-1].step_id) for calls in silent]
    answers = []
    for _, _, step_id in sorted(placed):
        calls = attempts.get(step_id, [])
        cost = money(total_cost(costs.get(call.pk) for call in calls)) if calls else None
        if step_id in messages:
            answers.append(spoken(messages[step_id], calls, cost))
        else:
            answers.append(unspoken(calls[-1], cost))
    return answers


def place_of(calls: Sequence[Call] | None) -> int:
    """Return where a step stood; an answer carried over from another turn has no calls and stands first."""
    return calls[0].number if calls else 0


def went_unheard(last: Call) -> bool:
    """Tell whether a step ended without a message that people should know of."""
    return last.purpose in ("reply", "synthesize") and last.status in (
        Call.Status.FAILED,
        Call.Status.CANCELLED,
    )


def spoken(message: Message, calls: Sequence[Call], cost: Money | None) -> Answer:
    return Answer(
        step_id=str(message.pk),
        purpose=message.purpose,
        round=message.round or 1,
        agent_key=message.agent_key,
        agent_name=message.agent_name,
        model=message.model,
        state=message.status,
        html=render_markdown(message.text),
        error=error_of(calls[-1]) if calls else "",
        cost=cost,
    )


def unspoken(call: Call, cost: Money | None) -> Answer:
    return Answer(
        step_id=str(call.step_id),
        purpose=call.purpose,
        round=call.round,
        agent_key=call.agent_key,
        agent_name=call.agent_name,
        model=call.model.alias,
        state=call.status,
        html="",
        error=error_of(call),
        cost=cost,
    )


def error_of(call: Call) -> str:
    return call.error["message"] if call.error else ""


def in_rows(answers: Sequence[Answer], mode: str) -> list[list[Answer]]:
    """Put those that answered at once into one row; static/js/lanes.js does the same."""
    rows: list[list[Answer]] = []
    for answer in answers:
        beside = rows[-1][-1] if rows else None
        if (
            beside is not None
            and mode in SIDE_BY_SIDE
            and (beside.purpose, beside.round) == (answer.purpose, answer.round)
        ):
            rows[-1].append(answer)
        else:
            rows.append([answer])
    return rows
