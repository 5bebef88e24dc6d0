"""A turn's receipt: every call made for it, with its cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from billing.models import UsageEvent
from billing.texts.money import rate_text
from orchestration.engine.purposes import Purpose
from orchestration.engine.specs import BUCKETS, INPUT_BUCKETS
from sessions.models import Call
from sessions.pages.answers import cut_note, finish_of
from sessions.pages.input_cuts import input_note
from sessions.pages.money import Money, money
from sessions.selectors.pages import TurnRows

CUTS = {"length": "length limit", "content_filter": "filtered"}
BUCKET_NAMES = {
    "input": "uncached input",
    "cache_read": "cache read",
    "cache_write_5m": "cache write 5 min",
    "cache_write_1h": "cache write 1 h",
    "output": "output",
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """Tokens that share one rate. Tokens x rate, summed over a call's buckets, is its cost."""

    name: str
    tokens: int
    rate: str | None
    """USD per million tokens, exact; None if the call is unpriced."""


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """One call. A call that is not billed has no tokens and no cost."""

    purpose: str
    who: str
    model: str
    effort: str
    """The reasoning effort that was sent; empty: none."""
    round: int
    attempt: int
    status: str
    cut: str
    """Why the answer is incomplete, although nothing failed."""
    input_note: str
    """Tokens of the input that the server read, if it cut the input."""
    input_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int
    buckets: Sequence[Bucket]
    priced: bool
    estimated: bool
    cost: Money | None
    cost_before: Money | None
    """What the call was billed at before corrections; None if it was not corrected, or had no price."""


def receipt_of(rows: TurnRows) -> list[ReceiptLine]:
    """Return the lines of a final turn's receipt in the order of its calls; empty while it runs."""
    if not rows.turn.is_final:
        return []
    events = {event.pk: event for event in rows.events}
    lines = []
    for call in rows.calls:
        event = events.get(call.pk)
        usage = event.usage if event else None
        lines.append(
            ReceiptLine(
                purpose=Purpose(call.purpose).label,
                who=who_made(call),
                model=call.model.alias,
                effort=call.reasoning_effort,
                round=call.round,
                attempt=call.attempt,
                status=call.status,
                cut=CUTS.get(finish_of(call), "") or cut_note(call),
                input_note=input_note(call, usage.total_input if usage else None),
                input_tokens=usage.total_input if usage else None,
                output_tokens=usage.output if usage else None,
                reasoning_tokens=usage.reasoning if usage else 0,
                buckets=buckets_of(event) if event else [],
                priced=event is not None and event.price is not None,
                estimated=event is not None and event.source == UsageEvent.Source.ESTIMATED,
                cost=money(event.cost_pico) if event else None,
                cost_before=first_cost(event),
            )
        )
    return lines


def cache_saving(rows: TurnRows) -> Money | None:
    """Return what prompt caching saved in a final turn, net of what writing to the cache cost more; None if nothing."""
    if not rows.turn.is_final:
        return None
    pico = 0
    for event in rows.events:
        if (price := event.price) is not None:
            pico += sum(
                getattr(event, f"{bucket}_tokens") * (price.input_pico - getattr(price, f"{bucket}_pico"))
                for bucket in INPUT_BUCKETS
            )
    return money(pico) if pico > 0 else None


def first_cost(event: UsageEvent | None) -> Money | None:
    """Return what a call was billed at first, None unless it costs something else now."""
    if event is None or event.cost_before_pico in (None, event.cost_pico):
        return None
    return money(event.cost_before_pico)


def buckets_of(event: UsageEvent) -> list[Bucket]:
    """Return a call's tokens by bucket, without empty ones, each with the rate that it was billed with."""
    usage, price = event.usage, event.price
    return [
        Bucket(
            BUCKET_NAMES[bucket],
            getattr(usage, bucket),
            rate_text(getattr(price, f"{bucket}_pico")) if price else None,
        )
        for bucket in BUCKETS
        if getattr(usage, bucket)
    ]


def who_made(call: Call) -> str:
    return f"@{call.agent_key}" if call.agent_key else Purpose(call.purpose).maker
