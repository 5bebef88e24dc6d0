"""Compare the provider's count with the ledger, request by request, and check the invariants of every turn."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from billing.models import BudgetPeriod, Hold, UsageEvent
from orchestration.tests.providers import Served
from sessions.models import Call, Message, Turn
from sessions.selectors.ledger_audit import INVARIANTS
from sessions.tests.chaos.faults import KILL_WORKER, ROLL_WORKER, Done
from sessions.tests.chaos.load import Record
from sessions.tests.chaos.weather import MANAGER, asked_of, question_of
from sessions.tests.support.ledger import without_reasoning

Slot = tuple[int, str]
"""A question's number, and the agent asked."""


@dataclass
class Bill:
    """Requests served by the provider and events billed by us, for one slot."""

    served: list[Served] = field(default_factory=list)
    events: list[UsageEvent] = field(default_factory=list)


@dataclass
class Figures:
    """Lawful differences between the two counts."""

    billed: int = 0
    estimated: int = 0
    never_sent: int = 0
    """Calls in the journal whose runner died before it sent them."""
    answer_lost: int = 0
    """Answers received with usage by a runner that died before writing it down: billed as estimates."""


NAMELESS = {("estimated", "interrupted"), ("estimated", "failed"), ("none", "failed")}
"""Source and status of events without a request id: their runner died, they timed out, or the connection broke."""


def bills(served: Iterable[Served]) -> dict[Slot, Bill]:
    """Return both counts by slot: an agent's requests and events for one question."""
    found: dict[Slot, Bill] = defaultdict(Bill)
    for exchange in served:
        found[asked_of(exchange)].served.append(exchange.wait())
    asked = dict(Message.objects.filter(role=Message.Role.USER).values_list("turn_id", "text"))
    for event in UsageEvent.objects.filter(corrects=None):
        assert event.turn_id is not None
        found[question_of(asked[event.turn_id]), event.agent_key or MANAGER].events.append(event)
    return found


def differences(slot: Slot, bill: Bill, figures: Figures) -> Iterator[str]:
    """Yield the errors of one slot.

    A call whose end was written down has the id of the provider's request, and both must agree. Requests without
    such a call were cut: by the provider before any output, or by the death of their runner. Each of them has one such
    event; an extra event is a call that was written down and never sent, by a runner that died.
    """
    named = {event.provider_request_id: event for event in bill.events if event.provider_request_id}
    nameless = [event for event in bill.events if not event.provider_request_id]
    figures.billed += len(bill.events)
    figures.estimated += sum(event.source == "estimated" for event in bill.events)
    if len(named) + len(nameless) != len(bill.events):
        yield f"{slot}: a request was billed twice: {[event.provider_request_id for event in bill.events]}"
    unmatched = []
    for exchange in bill.served:
        event = named.pop(exchange.request_id, None)
        if event is None:
            unmatched.append(exchange)
        elif difference := unlike(exchange, event):
            yield f"{slot}: {exchange.request_id} {difference}"
    for request_id in named:
        yield f"{slot}: the provider knows nothing of {request_id}"
    for event in nameless:
        if (event.source, event.status) not in NAMELESS:
            yield f"{slot}: event {event.pk} names no request and is {event.source}, {event.status}"
    interrupted = [event for event in nameless if event.status == "interrupted"]
    spoke = [exchange for exchange in unmatched if exchange.status]
    mute = [exchange for exchange in unmatched if not exchange.status]
    failed = len(nameless) - len(interrupted)
    # A connection that broke without output is a failed call, or the last call of a runner that died meanwhile.
    if len(spoke) + max(0, len(mute) - failed) > len(interrupted) or failed > len(mute):
        yield (
            f"{slot}: {len(spoke)} answered and {len(mute)} broken requests have no event of their name, "
            f"but there are {len(interrupted)} interrupted and {failed} failed calls without one"
        )
    figures.never_sent += max(0, len(nameless) - len(unmatched))
    figures.answer_lost += sum(exchange.usage_told for exchange in spoke)


def unlike(exchange: Served, event: UsageEvent) -> str:
    """Return how an event differs from the request with its id, empty if they agree."""
    if exchange.status >= 400:
        expected: Any = ("none", 0, "failed")
        found: Any = (event.source, event.cost_pico, event.status)
    elif exchange.usage_told:
        expected = ("provider", without_reasoning(exchange.usage, event))
        found = (event.source, event.usage)
    else:
        expected, found = ("estimated", "failed"), (event.source, event.status)
    return "" if found == expected else f"is {expected} there and {found} here"


def turns(record: Record) -> Iterator[str]:
    """Yield the errors of turns and of the events that people received."""
    final = dict(Turn.objects.filter(status__in=Turn.FINAL).values_list("pk", "status"))
    statuses = {str(pk): status for pk, status in final.items()}
    last_seq = {str(pk): seq for pk, seq in Turn.objects.values_list("pk", "last_event_seq")}
    for turn_id in record.accepted - statuses.keys():
        yield f"turn {turn_id} was accepted and is not final"
    for turn in Turn.objects.active():
        yield f"turn {turn.pk} is still {turn.status}"
    for key, turn_ids in record.keys.items():
        if len(turn_ids) > 1 or Turn.objects.filter(idempotency_key=key).count() != 1:
            yield f"key {key} made {sorted(turn_ids)}"
    for transcript in record.transcripts:
        seen = transcript.end, transcript.last
        real = statuses.get(transcript.turn_id), last_seq.get(transcript.turn_id)
        if not transcript.end:
            yield f"a reader of {transcript.turn_id} never saw its end"
        elif seen != real:
            yield f"a reader of {transcript.turn_id} saw its end as {seen}, it was {real}"


def money() -> Iterator[str]:
    """Yield the errors of holds, budgets and the ledger."""
    if Hold.objects.filter(resolved_at=None).exists():
        yield "holds outlived their turns"
    for period in BudgetPeriod.objects.select_related("budget"):
        if period.held_pico:
            yield f"budget {period.budget} still holds {period.held_pico}"
        if period.spent_pico > period.budget.limit_pico:
            yield f"budget {period.budget} of {period.budget.limit_pico} spent {period.spent_pico}"
    for invariant in INVARIANTS:
        for line in invariant.breaches():
            yield f"invariant {invariant.number}: {line}"


def interruptions(done: Sequence[Done]) -> Iterator[str]:
    """Yield calls that were cut although no worker was killed or stopped: outages within a lease cut none."""
    at_workers = [one for one in done if one.fault in (KILL_WORKER, ROLL_WORKER)]
    for call in Call.objects.filter(status=Call.Status.INTERRUPTED):
        began, ended = span(call)
        if not any(began <= one.until and one.at <= ended for one in at_workers):
            yield f"call {call.pk} of turn {call.turn_id} was cut from {began} to {ended}, and nobody died"


def first_event_s(asked: Iterable[tuple[float, float]], outages: Collection[Done]) -> list[float]:
    """Return the seconds to the first event of streamed turns, without turns during an outage."""
    return [
        came - begun
        for begun, came in asked
        if not any(begun < outage.until and came > outage.at for outage in outages)
    ]


def recovery_s(done: Sequence[Done]) -> list[float]:
    """Return how long each open call of a killed worker waited for its next runner, in seconds."""
    at_workers = sorted((one.at, one.fault) for one in done if one.fault in (KILL_WORKER, ROLL_WORKER))
    found = []
    for call in Call.objects.filter(status=Call.Status.INTERRUPTED):
        began, ended = span(call)
        before = [(at, fault) for at, fault in at_workers if began <= at <= ended]
        if before and before[0][1] == KILL_WORKER:
            found.append(ended - before[0][0])
    return found


def span(call: Call) -> tuple[float, float]:
    """Return when a call began and ended, in seconds since the epoch."""
    assert call.finished_at is not None
    return call.started_at.timestamp(), call.finished_at.timestamp()


def summary_of(values: Sequence[float]) -> dict[str, float]:
    """Return count, median and 95th percentile."""
    if not values:
        return {"count": 0}
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return {
        "count": len(ordered),
        "p50": round(statistics.median(ordered), 2),
        "p95": round(p95, 2),
        "max": round(ordered[-1], 2),
    }


def turn_counts() -> dict[str, int]:
    """Return `mode status` -> number of turns."""
    pairs = Turn.objects.values_list("mode", "status")
    return dict(sorted(Counter(f"{mode} {status}" for mode, status in pairs).items()))
