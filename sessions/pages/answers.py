"""The answers of a turn as lanes: text, failures, and answers kept from the previous version."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestration.engine.purposes import SHOWN, Purpose
from sessions.models import Call, Message, Turn
from sessions.pages.input_cuts import files_note, input_note
from sessions.pages.money import Money, money
from sessions.rendering.markdown import visible_text
from sessions.selectors.answer_html import answer_html, message_html
from sessions.selectors.pages import TurnRows

HUES = 8
"""Number of agent colours; static/css/tokens.css defines them."""
FINISH_NOTES = {
    "length": "Cut off at max output tokens.",
    "content_filter": "Blocked by the provider’s content filter.",
}
"""Finish reason -> note on an answer that the provider ended early."""
STOPPED_WITH_TEXT = "Stopped. The partial answer is kept and billed."
STOPPED_WITHOUT_TEXT = "Stopped before any text arrived. Estimated usage is billed."
STOPPED_UNSENT = "Stopped before it was sent. Nothing is billed."


def hue(key: str) -> int:
    """Return an agent's colour."""
    return sum(map(ord, key)) % HUES


@dataclass(frozen=True, slots=True)
class Answer:
    """One lane: an agent's answer, or the reason why there is none."""

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
    cut: str = ""
    """Why the answer is incomplete, although nothing failed."""
    cut_text: str = ""
    """Its text after the cut."""
    input_note: str = ""
    """Tokens of the input that the server read, if it cut the input."""
    files_note: str = ""
    """The files that the model did not get."""
    latency_ms: int | None = None
    carried: bool = False
    """Kept from the previous version, at no cost."""

    @property
    def hue(self) -> int:
        return hue(self.agent_key)

    @property
    def name(self) -> str:
        """The agent's name; the purpose's label if a manager answered."""
        return self.agent_name or self.agent_key or Purpose(self.purpose).label

    @property
    def initial(self) -> str:
        return self.name[:1].upper()

    @property
    def time(self) -> str:
        """The model's latency, empty if unknown."""
        return "" if self.latency_ms is None else duration(self.latency_ms)


def duration(ms: int) -> str:
    """Format a duration for people: 90 ms, 3.2 s, 42 s, 1 min 5 s."""
    if ms < 100:
        return f"{ms} ms"
    if ms < 9_950:
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def total_cost(costs: Iterable[int | None]) -> int | None:
    """Return the sum of the priced costs, None if none is priced; 0 if no call was made."""
    costs = list(costs)
    priced = [cost for cost in costs if cost is not None]
    return sum(priced) if priced or not costs else None


def answers_of(rows: TurnRows) -> list[Answer]:
    """Return all answers of a final turn; of a running one only the carried ones, since events bring the others."""
    if not rows.turn.is_final:
        return carried_answers(rows.turn)
    attempts: dict[uuid.UUID, list[Call]] = {}
    for call in rows.calls:
        attempts.setdefault(call.step_id, []).append(call)
    costs = {event.pk: event.cost_pico for event in rows.events}
    read = {event.pk: event.usage.total_input for event in rows.events}
    worked = {event.pk for event in rows.events if event.source != event.Source.NONE}
    messages = {message.pk: message for message in rows.messages if message.role != Message.Role.USER}
    silent = [step for step, calls in attempts.items() if step not in messages and has_no_answer(calls[-1])]
    answers = []
    for step in in_order(messages, silent, attempts):
        calls = attempts.get(step, [])
        cost = money(total_cost(costs.get(call.pk) for call in calls)) if calls else None
        if step in messages:
            carried = not calls and rows.turn.replaces_id is not None
            answer = answer_of_message(messages[step], calls, cost, carried=carried)
            note = input_note(calls[-1], read.get(calls[-1].pk)) if calls else ""
            unread = files_note(calls[-1]) if calls else ""
            answers.append(replace(answer, input_note=note, files_note=unread))
        else:
            answers.append(answer_of_failed_call(calls[-1], cost, has_worked=calls[-1].pk in worked))
    return answers


def in_order(
    messages: Mapping[uuid.UUID, Message],
    silent: Sequence[uuid.UUID],
    attempts: Mapping[uuid.UUID, Sequence[Call]],
) -> list[uuid.UUID]:
    """Return steps in the order of their first calls; in transcript order if some were kept and so have no calls."""
    if all(step in attempts for step in messages):
        return sorted([*messages, *silent], key=lambda step: attempts[step][0].number)
    by_seq = sorted(messages, key=lambda step: messages[step].seq)
    return [*by_seq, *sorted(silent, key=lambda step: attempts[step][0].number)]


def carried_answers(turn: Turn) -> list[Answer]:
    names = {agent["key"]: agent["name"] for agent in turn.snapshot.get("roster", [])}
    return [
        Answer(
            step_id=answer["message_id"],
            purpose=Purpose.REPLY,
            round=answer["round"],
            agent_key=answer["agent_key"],
            agent_name=names.get(answer["agent_key"], answer["agent_key"]),
            model=answer["model"],
            state=Message.Status.COMPLETE,
            html=answer_html(answer["text"]),
            error="",
            cost=None,
            carried=True,
        )
        for answer in turn.snapshot.get("carried", [])
    ]


def has_no_answer(last: Call) -> bool:
    """Return whether a step failed or was cancelled without a message, although its purpose is shown to people."""
    return last.purpose in SHOWN and last.status in (
        Call.Status.FAILED,
        Call.Status.CANCELLED,
    )


def answer_of_message(
    message: Message, calls: Sequence[Call], cost: Money | None, *, carried: bool
) -> Answer:
    return Answer(
        step_id=str(message.pk),
        purpose=message.purpose,
        round=message.round or 1,
        agent_key=message.agent_key,
        agent_name=message.agent_name,
        model=message.model,
        state=message.status,
        html=message_html(message),
        error=STOPPED_WITH_TEXT if is_stopped(message) else error_of(calls[-1]) if calls else "",
        cut=cut_note(calls[-1]) if calls else "",
        cut_text=visible_text(calls[-1].cut_text) if calls else "",
        cost=cost,
        latency_ms=calls[-1].latency_ms if calls else None,
        carried=carried,
    )


def is_stopped(message: Message) -> bool:
    return message.status == Message.Status.CANCELLED


def answer_of_failed_call(call: Call, cost: Money | None, *, has_worked: bool) -> Answer:
    """Return the lane of a step without a message. `has_worked`: its model may have worked, so that it is billed."""
    stopped = STOPPED_WITHOUT_TEXT if has_worked else STOPPED_UNSENT
    return Answer(
        step_id=str(call.step_id),
        purpose=call.purpose,
        round=call.round,
        agent_key=call.agent_key,
        agent_name=call.agent_name,
        model=call.model.alias,
        state=call.status,
        html="",
        error=stopped if call.status == Call.Status.CANCELLED else error_of(call),
        cost=cost,
        latency_ms=call.latency_ms,
    )


def cut_note(call: Call) -> str:
    """Return the note on an answer that was cut, empty if it was not."""
    if name := call.context.get("cut_for"):
        return f"Cut: it began to answer for {name}."
    return FINISH_NOTES.get(finish_of(call), "")


def finish_of(call: Call) -> str:
    """Return the provider's finish reason, empty if it sent none."""
    return str(call.context.get("finish_reason", ""))


def error_of(call: Call) -> str:
    return call.error["message"] if call.error else ""
