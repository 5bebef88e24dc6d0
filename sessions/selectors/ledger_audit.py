"""The audit of the ledger: calls, events, rollups and turns, each against the others. Reads only.

An invariant is a function that yields what breaks it, a line each; it stops where nobody reads on, and keeps no more
in memory than a day's rollup. Numbers are those of "Invariants" in docs/metering.md. A ledger is audited while turns
are committed: what one statement sees is consistent, and what two see is confirmed before it is reported.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from billing.models import BudgetPeriod, DailyUsage, Hold, HoldLine, UsageEvent
from billing.pricing import cost_pico
from billing.selectors.budgets import events_of_period
from billing.services.rollup import KEY, SUMS, TOKENS
from orchestration.gateway.usage import total_input_told
from sessions.models import Call, Message, Turn

CHUNK = 2_000

Audit = Callable[[], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Invariant:
    number: int
    text: str
    breaches: Audit


def lines(rows: QuerySet[Any], text: str, id_name: str = "pk") -> Iterator[str]:
    for row_id in rows.order_by(id_name).values_list(id_name, flat=True).iterator(chunk_size=CHUNK):
        yield f"{text} {row_id}"


# --- 1. A turn becomes final with its messages, events and rollup, in one commit --------------------------------------


def commits() -> Iterator[str]:
    final = Q(turn__status__in=Turn.FINAL)
    yield from lines(Call.objects.filter(final, committed=False), "a final turn left out call")
    yield from lines(
        Call.objects.exclude(final).filter(committed=True), "a turn that is not final committed call"
    )
    yield from lines(
        UsageEvent.objects.filter(turn_id__in=Turn.objects.active().values("pk")),
        "a turn that is not final was billed for event",
    )
    answers = Message.objects.exclude(role=Message.Role.USER)
    yield from lines(answers.exclude(final), "a turn that is not final published message")
    answered = Turn.objects.spoken().filter(status__in=[Turn.Status.COMPLETED, Turn.Status.PARTIAL])
    yield from lines(
        answered.exclude(Exists(answers.filter(turn=OuterRef("pk")))), "nobody answered in the completed turn"
    )
    yield from lines(
        Turn.objects.filter(status__in=Turn.FINAL, last_event_seq=None),
        "no last event is known of the final turn",
    )


# --- 2. One event per call, one call per event ------------------------------------------------------------------------


def pairs() -> Iterator[str]:
    """Corrections apart. An event whose turn was erased with its person has lost its call lawfully."""
    event = UsageEvent.objects.filter(pk=OuterRef("pk"), corrects=None, turn_id=OuterRef("turn_id"))
    yield from lines(Call.objects.filter(committed=True).exclude(Exists(event)), "no event bills call")
    call = Call.objects.filter(pk=OuterRef("pk"), turn_id=OuterRef("turn_id"))
    turn = Turn.objects.filter(pk=OuterRef("turn_id"))
    yield from lines(
        UsageEvent.objects.filter(Exists(turn), corrects=None).exclude(Exists(call)),
        "no call was made for event",
    )


# --- 3. Every hold is resolved once; none outlives its turn -----------------------------------------------------------


def holds() -> Iterator[str]:
    """And what a budget period has held is what the open holds have taken of it."""
    active = Turn.objects.active().values("pk")
    yield from lines(
        Hold.objects.filter(resolved_at=None).exclude(turn_id__in=active), "no running turn has the open hold"
    )
    yield from lines(
        Hold.objects.exclude(resolved_at=None).filter(turn_id__in=active),
        "resolved before its turn's end: hold",
    )
    taken = HoldLine.objects.filter(period=OuterRef("pk"), hold__resolved_at=None).order_by().values("period")
    open_sum = Coalesce(Subquery(taken.annotate(sum=Sum("amount_pico")).values("sum")), 0)
    yield from lines(
        BudgetPeriod.objects.annotate(taken=open_sum).exclude(held_pico=F("taken")),
        "held is not the sum of the open holds of budget period",
    )


# --- 4. What a budget period has spent is the sum of its events -------------------------------------------------------


def spending() -> Iterator[str]:
    for period in BudgetPeriod.objects.select_related("budget").order_by("pk").iterator(chunk_size=CHUNK):
        spent, summed = period_sums(period.pk)
        if spent != summed and (spent, summed) == period_sums(period.pk):  # a commit in between changes both
            yield f"budget period {period.pk} has spent {spent}, its events make {summed}"


def period_sums(period_id: int) -> tuple[int, int]:
    """Return what a period says it has spent and what its events cost, in pico-USD; both 0 where it is gone."""
    period = BudgetPeriod.objects.select_related("budget").filter(pk=period_id).first()
    if period is None:
        return 0, 0
    return period.spent_pico, events_of_period(period).aggregate(sum=Sum("cost_pico"))["sum"] or 0


# --- 5. Cost = buckets x price row, bit for bit -----------------------------------------------------------------------


def costs() -> Iterator[str]:
    """A correction carries the cost alone: the buckets are those of the call that it prices."""
    events = UsageEvent.objects.select_related("price", "corrects").order_by("pk")
    for event in events.iterator(chunk_size=CHUNK):
        expected = cost_pico((event.corrects or event).usage, event.price)
        if event.cost_pico != expected:
            yield f"event {event.pk} costs {event.cost_pico}, its buckets and its price make {expected}"
        if event.price is not None and event.price.model_id != event.model_id:
            yield f"event {event.pk} is priced with a price of another model"


# --- 6. Rollup rows = recomputed rollup rows --------------------------------------------------------------------------


def rollups() -> Iterator[str]:
    days = {*DailyUsage.objects.values_list("day", flat=True).distinct(), *event_days()}
    for day in sorted(days):
        found = different(day)
        # A commit between the two reads looks like a breach; it does not look the same a second time.
        again = different(day) if found else {}
        for key in sorted(found, key=str):
            if again.get(key) == found[key]:
                yield "rollup " + " ".join(f"{name}={part}" for name, part in zip(KEY, key, strict=True))


def event_days() -> Iterator[dt.date]:
    for day in UsageEvent.objects.order_by().datetimes("created_at", "day", tzinfo=dt.UTC):
        yield day.date()


def different(day: dt.date) -> dict[tuple[Any, ...], list[int]]:
    """Return the keys of a day whose stored sums are not those of the events, with how far they are off."""
    stored, summed, nothing = stored_rows(day), summed_rows(day), [0] * len(SUMS)
    off = {
        key: [a - b for a, b in zip(stored.get(key, nothing), summed.get(key, nothing), strict=True)]
        for key in stored.keys() | summed.keys()
    }
    return {key: by for key, by in off.items() if any(by)}


def stored_rows(day: dt.date) -> dict[tuple[Any, ...], list[int]]:
    rows = DailyUsage.objects.filter(day=day).order_by().values_list(*KEY, *SUMS)
    return {row[: len(KEY)]: list(row[len(KEY) :]) for row in rows.iterator(chunk_size=CHUNK)}


def summed_rows(day: dt.date) -> dict[tuple[Any, ...], list[int]]:
    begin = dt.datetime.combine(day, dt.time.min, dt.UTC)
    estimated, corrections = Q(source=UsageEvent.Source.ESTIMATED), Q(corrects__isnull=False)
    sums = {
        "calls_": Count("pk", filter=~corrections),
        **{f"{name}_": Sum(name) for name in TOKENS},
        "cost_": Coalesce(Sum("cost_pico"), 0),
        "estimated_": Coalesce(Sum("cost_pico", filter=estimated), 0),
        "unpriced_": Count("pk", filter=Q(cost_pico=None)) - Count("pk", filter=corrections),
    }
    events = UsageEvent.objects.filter(created_at__gte=begin, created_at__lt=begin + dt.timedelta(days=1))
    rows = events.order_by().values(*KEY[1:]).annotate(**sums).values_list(*KEY[1:], *sums)
    keyed = ((day, *row) for row in rows.iterator(chunk_size=CHUNK))
    return {row[: len(KEY)]: [int(value) for value in row[len(KEY) :]] for row in keyed}


# --- 7. Disjoint input buckets sum to the provider's total input ------------------------------------------------------


def totals() -> Iterator[str]:
    """Where the provider gave its figure; one that contradicts itself is flagged in the event and passed over."""
    events = UsageEvent.objects.filter(source=UsageEvent.Source.PROVIDER).exclude(raw_usage=None)
    for event in events.order_by("pk").iterator(chunk_size=CHUNK):
        told, billed = total_input_told(event.raw_usage or {}), event.usage.total_input
        if told is not None and told != billed and "input_mismatch" not in event.flags:
            yield f"event {event.pk} bills {billed} input tokens, the provider told {told}"


# --- 8. Running a task or a request twice changes nothing -------------------------------------------------------------


def repeats() -> Iterator[str]:
    """What the database's constraints promise, asked of the rows themselves."""
    yield from doubled(Turn.objects.exclude(idempotency_key=None), "user_id", "idempotency_key")
    yield from doubled(Turn.objects.exclude(index=None), "session_id", "index")
    yield from doubled(Call.objects.all(), "turn_id", "step_id", "attempt")


def doubled(rows: QuerySet[Any], *names: str) -> Iterator[str]:
    counted = rows.order_by().values_list(*names).annotate(rows=Count("pk")).filter(rows__gt=1)
    for *values, count in counted.iterator(chunk_size=CHUNK):
        shown = " ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
        yield f"{count} {rows.model._meta.verbose_name_plural} have {shown}"


INVARIANTS = (
    Invariant(1, "a turn becomes final with its messages, events and rollup in one commit", commits),
    Invariant(2, "one event per call, one call per event", pairs),
    Invariant(3, "every hold is resolved once; none outlives its turn", holds),
    Invariant(4, "what a budget period has spent is the sum of its events", spending),
    Invariant(5, "cost = buckets x price, bit for bit", costs),
    Invariant(6, "rollup rows = recomputed rollup rows", rollups),
    Invariant(7, "input buckets sum to the provider's total input", totals),
    Invariant(8, "running a task or a request twice changes nothing", repeats),
)
