"""A turn's receipt: every call that was made for it, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass

from billing.models import UsageEvent
from sessions.models import Call
from sessions.pages.answers import finish_of
from sessions.pages.money import Money, money
from sessions.selectors.pages import TurnRows

PURPOSES = {
    "route": "Choose",
    "evaluate": "Weigh",
    "reply": "Answer",
    "synthesize": "Conclude",
    "summarize": "Summarize",
}
CUTS = {"length": "length limit", "content_filter": "filtered"}


@dataclass(frozen=True, slots=True)
class Line:
    """One call. What is not on the bill has no tokens and no cost."""

    purpose: str
    who: str
    model: str
    round: int
    attempt: int
    status: str
    cut: str
    """Why the answer is not whole, though nothing failed."""
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    estimated: bool
    cost: Money | None


def receipt_of(rows: TurnRows) -> list[Line]:
    """Return the lines of a final turn's receipt in the order of its calls, none while it runs."""
    if not rows.turn.is_final:
        return []
    events = {event.pk: event for event in rows.events}
    lines = []
    for call in rows.calls:
        event = events.get(call.pk)
        usage = event.usage if event else None
        lines.append(
            Line(
                purpose=PURPOSES.get(call.purpose, call.purpose),
                who=who_made(call),
                model=call.model.alias,
                round=call.round,
                attempt=call.attempt,
                status=call.status,
                cut=CUTS.get(finish_of(call), ""),
                input_tokens=usage.total_input if usage else None,
                cached_tokens=usage.cache_read if usage else None,
                output_tokens=usage.output if usage else None,
                estimated=event is not None and event.source == UsageEvent.Source.ESTIMATED,
                cost=money(event.cost_pico) if event else None,
            )
        )
    return lines


def who_made(call: Call) -> str:
    if call.agent_key:
        return f"@{call.agent_key}"
    return "Minutes" if call.purpose == "summarize" else "Manager"
