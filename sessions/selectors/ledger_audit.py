"""The audit of the ledger: compares calls, events, rollups and turns with each other. Read-only.

An invariant is a function that yields its breaches, a line each; it stops when the caller stops reading, and keeps
at most a week's rollup in memory. Numbers are those of "Invariants" in docs/metering.md. Turns may be committed during
an audit: one statement sees a consistent state, and a breach that takes two is confirmed before it is reported.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, When
from django.db.models.functions import Coalesce

from billing.days import monday_of
from billing.models import ZERO_UUID, BudgetPeriod, DailyUsage, Hold, HoldLine, UsageEvent, UsageTotal
from billing.models.bucket_columns import TOKENS
from billing.models.rollup_columns import KEY, SUMS, TOTAL_KEY, TOTAL_SUMS
from billing.models.rollup_cuts import DAILY, NONE, WEEKLY
from billing.pricing import cost_pico
from billing.selectors.budgets import events_of_period
from orchestration.engine.purposes import SHOWN, Purpose
from orchestration.gateway.usage import total_input_told
from sessions.models import Call, Message, Turn
from sessions.selectors.ledger_losses import disagreements, missing_periods

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
    yield from lines(Call.objects.filter(final, committed=False), "not committed with its final turn: call")
    yield from lines(
        Call.objects.exclude(final).filter(committed=True), "committed before its turn was final: call"
    )
    yield from lines(
        UsageEvent.objects.filter(turn_id__in=Turn.objects.active().values("pk")),
        "billed before its turn was final: event",
    )
    answers = Message.objects.exclude(role=Message.Role.USER)
    yield from lines(answers.exclude(final), "stored before its turn was final: message")
    questions = Message.objects.filter(role=Message.Role.USER, turn=OuterRef("pk"))
    yield from lines(
        Turn.objects.spoken().filter(status__in=Turn.FINAL).exclude(Exists(questions)),
        "without a user message: final turn",
    )
    # Failed turns have no answers: one that fails on every run is given up with the calls of its journal.
    shown_calls = Q(committed=True, status=Call.Status.OK, purpose__in=SHOWN)
    answer = answers.filter(pk=OuterRef("step_id"), turn=OuterRef("turn"))
    yield from lines(
        Call.objects.filter(final, shown_calls)
        .exclude(Exists(answer))
        .exclude(turn__status=Turn.Status.FAILED),
        "without a message of its answer: call",
    )
    completed = Turn.objects.spoken().filter(status__in=[Turn.Status.COMPLETED, Turn.Status.PARTIAL])
    yield from lines(
        completed.exclude(Exists(answers.filter(turn=OuterRef("pk")))),
        "without an answer: completed turn",
    )
    yield from lines(
        Turn.objects.filter(status__in=Turn.FINAL, last_event_seq=None),
        "without a last event: final turn",
    )


# --- 2. One event per call, one call per event ------------------------------------------------------------------------


def pairs() -> Iterator[str]:
    """Match calls and events, without corrections. Events of turns erased with their person may lack a call."""
    event = UsageEvent.objects.filter(pk=OuterRef("pk"), corrects=None, turn_id=OuterRef("turn_id"))
    yield from lines(Call.objects.filter(committed=True).exclude(Exists(event)), "without an event: call")
    call = Call.objects.filter(pk=OuterRef("pk"), turn_id=OuterRef("turn_id"))
    turn = Turn.objects.filter(pk=OuterRef("turn_id"))
    yield from lines(
        UsageEvent.objects.filter(Exists(turn), corrects=None).exclude(Exists(call)),
        "without a call: event",
    )
    yield from disagreements()


# --- 3. Every hold is resolved once; none outlives its turn -----------------------------------------------------------


def holds() -> Iterator[str]:
    """Also compare the held amount of each budget period with its open holds."""
    active = Turn.objects.active().values("pk")
    yield from lines(
        Hold.objects.filter(resolved_at=None).exclude(turn_id__in=active), "without a running turn: open hold"
    )
    yield from lines(
        Hold.objects.exclude(resolved_at=None).filter(turn_id__in=active),
        "resolved before its turn ended: hold",
    )
    open_lines = (
        HoldLine.objects.filter(period=OuterRef("pk"), hold__resolved_at=None).order_by().values("period")
    )
    open_sum = Coalesce(Subquery(open_lines.annotate(sum=Sum("amount_pico")).values("sum")), 0)
    wrong = BudgetPeriod.objects.annotate(taken=open_sum).exclude(held_pico=F("taken")).order_by("pk")
    for pk, budget_id in wrong.values_list("pk", "budget_id").iterator(chunk_size=CHUNK):
        yield f"period {pk} of budget {budget_id}: the held amount is not the sum of its open holds"


# --- 4. What a budget period has spent is the sum of its events -------------------------------------------------------


def spending() -> Iterator[str]:
    for period in BudgetPeriod.objects.select_related("budget").order_by("pk").iterator(chunk_size=CHUNK):
        spent, summed = period_sums(period.pk)
        if spent != summed and (spent, summed) == period_sums(period.pk):  # a commit in between changes both
            yield f"period {period.pk} of budget {period.budget_id}: spent {spent}, its events cost {summed}"
    yield from missing_periods()


def period_sums(period_id: int) -> tuple[int, int]:
    """Return a period's stored spending and the cost of its events, in pico-USD; both 0 if the period is gone."""
    period = BudgetPeriod.objects.select_related("budget").filter(pk=period_id).first()
    if period is None:
        return 0, 0
    return period.spent_pico, events_of_period(period).aggregate(sum=Sum("cost_pico"))["sum"] or 0


# --- 5. Cost = buckets x price row, bit for bit -----------------------------------------------------------------------


def costs() -> Iterator[str]:
    """Recompute each cost. A correction has the buckets of its call, and costs the difference to the cost before."""
    earlier = UsageEvent.objects.filter(
        corrects=OuterRef("corrects"), corrections_before__lt=OuterRef("corrections_before")
    )
    earlier_cost = earlier.order_by().values("corrects").annotate(sum=Sum("cost_pico")).values("sum")
    events = UsageEvent.objects.select_related("price", "corrects").annotate(
        earlier_cost=Case(When(corrects__isnull=False, then=Subquery(earlier_cost)))
    )
    for event in events.order_by("pk").iterator(chunk_size=CHUNK):
        expected = cost_pico((event.corrects or event).usage, event.price)
        if event.corrects is not None:
            parts = [part for part in (event.corrects.cost_pico, event.earlier_cost) if part is not None]
            before = sum(parts) if parts else None
            if event.cost_before_pico != before:
                yield f"correction {event.pk}: cost before {event.cost_before_pico}, should be {before}"
            expected = None if expected is None else expected - (event.cost_before_pico or 0)
        if event.cost_pico != expected:
            yield f"event {event.pk}: cost {event.cost_pico}, should be {expected}"
        if event.price is not None and event.price.model_id != event.model_id:
            yield f"event {event.pk}: price of another model"


# --- 6. Rollup rows = recomputed rollup rows --------------------------------------------------------------------------


def rollups() -> Iterator[str]:
    """Compare the daily rows, and the totals of days and of weeks, with the events."""
    weekly = Q(cut__in=WEEKLY)
    days = {*days_of(DailyUsage.objects.all()), *days_of(UsageTotal.objects.exclude(weekly)), *event_days()}
    mondays = {*days_of(UsageTotal.objects.filter(weekly)), *map(monday_of, days)}
    for different, first_days in ((day_differences, days), (week_differences, mondays)):
        for day in sorted(first_days):
            differences = different(day)
            # A commit between the two reads looks like a breach, but not like the same one a second time.
            confirmed = different(day) if differences else {}
            for key in sorted(differences, key=str):
                if confirmed.get(key) == differences[key]:
                    names = KEY if len(key) == len(KEY) else TOTAL_KEY
                    yield "rollup " + " ".join(
                        f"{name}={part}"
                        for name, part in zip(names, key, strict=True)
                        if part not in (ZERO_UUID, "")
                    )


def days_of(rows: QuerySet[Any]) -> Iterator[dt.date]:
    yield from rows.order_by().values_list("day", flat=True).distinct().iterator(chunk_size=CHUNK)


def event_days() -> Iterator[dt.date]:
    for day in UsageEvent.objects.order_by().datetimes("created_at", "day", tzinfo=dt.UTC):
        yield day.date()


SumsByKey = dict[tuple[Any, ...], list[int]]


def day_differences(day: dt.date) -> SumsByKey:
    summed = rows_from_events(day, 1)
    stored = rows_by_key(DailyUsage.objects.filter(day=day), KEY, SUMS)
    return differences_between(stored, summed) | differences_between(
        stored_totals(day, DAILY), totals_by_cut(summed, DAILY)
    )


def week_differences(monday: dt.date) -> SumsByKey:
    return differences_between(
        stored_totals(monday, WEEKLY), totals_by_cut(rows_from_events(monday, 7), WEEKLY)
    )


def differences_between(stored: SumsByKey, summed: SumsByKey) -> SumsByKey:
    """Return the keys whose stored sums differ from the events' sums, with the differences."""
    nothing = [0] * len(TOTAL_SUMS)
    off = {
        key: [a - b for a, b in zip(stored.get(key, nothing), summed.get(key, nothing), strict=False)]
        for key in stored.keys() | summed.keys()
    }
    return {key: by for key, by in off.items() if any(by)}


def stored_totals(day: dt.date, cuts: Iterable[str]) -> SumsByKey:
    return rows_by_key(UsageTotal.objects.filter(day=day, cut__in=list(cuts)), TOTAL_KEY, TOTAL_SUMS)


def rows_by_key(rows: QuerySet[Any], key: Sequence[str], sums: Sequence[str]) -> SumsByKey:
    values = rows.order_by().values_list(*key, *sums)
    return {row[: len(key)]: list(row[len(key) :]) for row in values.iterator(chunk_size=CHUNK)}


def totals_by_cut(rows: SumsByKey, cuts: Mapping[str, Sequence[str]]) -> SumsByKey:
    """Sum rows by the columns that each cut keeps: in Python, not to repeat an error of the rollup's SQL."""
    totals: SumsByKey = {}
    for key, sums in rows.items():
        parts = dict(zip(KEY, key, strict=True))
        cost = sums[SUMS.index("cost_pico")] if Purpose(parts["purpose"]).orchestration else 0
        for cut, columns in cuts.items():
            if cut in NONE and parts[columns[0]] != ZERO_UUID:
                continue
            blank = (ZERO_UUID if name.endswith("_id") else "" for name in KEY[1:])
            values = (
                parts[name] if name in columns else none for name, none in zip(KEY[1:], blank, strict=True)
            )
            total = totals.setdefault((cut, parts["day"], *values), [0] * len(TOTAL_SUMS))
            total[:] = [a + b for a, b in zip(total, [*sums, cost], strict=True)]
    return totals


def rows_from_events(first: dt.date, days: int) -> SumsByKey:
    """Return the sums of some days' events by the rollup's key, all dated with the first day."""
    begin = dt.datetime.combine(first, dt.time.min, dt.UTC)
    estimated, corrections = Q(source=UsageEvent.Source.ESTIMATED), Q(corrects__isnull=False)
    had_cost = Q(cost_before_pico__isnull=False)
    sums = {
        "calls_": Count("pk", filter=~corrections),
        **{f"{name}_": Sum(name) for name in TOKENS},
        "cost_": Coalesce(Sum("cost_pico"), 0),
        "estimated_": Coalesce(Sum("cost_pico", filter=estimated), 0),
        "corrected_": Coalesce(Sum("cost_pico", filter=had_cost), 0),
        "unpriced_": Count("pk", filter=Q(cost_pico=None)) - Count("pk", filter=corrections & ~had_cost),
    }
    events = UsageEvent.objects.filter(created_at__gte=begin, created_at__lt=begin + dt.timedelta(days=days))
    rows = events.order_by().values(*KEY[1:]).annotate(**sums).values_list(*KEY[1:], *sums)
    keyed = ((first, *row) for row in rows.iterator(chunk_size=CHUNK))
    return {row[: len(KEY)]: [int(value) for value in row[len(KEY) :]] for row in keyed}


# --- 7. Disjoint input buckets sum to the provider's total input ------------------------------------------------------


def totals() -> Iterator[str]:
    """Compare with the provider's total, if it sent one; totals flagged in the event as inconsistent are skipped."""
    events = UsageEvent.objects.filter(source=UsageEvent.Source.PROVIDER).exclude(raw_usage=None)
    for event in events.order_by("pk").iterator(chunk_size=CHUNK):
        reported, billed = total_input_told(event.raw_usage or {}), event.usage.total_input
        if reported is not None and reported != billed and "input_mismatch" not in event.flags:
            yield f"event {event.pk}: {billed} input tokens, {reported} reported by the provider"


# --- 8. Running a task or a request twice changes nothing -------------------------------------------------------------


def repeats() -> Iterator[str]:
    """Check the rows themselves for what the database's constraints should guarantee."""
    yield from duplicates(Turn.objects.exclude(idempotency_key=None), "user_id", "idempotency_key")
    yield from duplicates(Turn.objects.exclude(index=None), "session_id", "index")
    yield from duplicates(Call.objects.all(), "turn_id", "step_id", "attempt")


def duplicates(rows: QuerySet[Any], *names: str) -> Iterator[str]:
    counted = rows.order_by().values_list(*names).annotate(rows=Count("pk")).filter(rows__gt=1)
    for *values, count in counted.iterator(chunk_size=CHUNK):
        shown = " ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
        yield f"{count} {rows.model._meta.verbose_name_plural} have {shown}"


INVARIANTS = (
    Invariant(1, "turns are committed with their messages, events and rollup", commits),
    Invariant(2, "every call is recorded exactly once", pairs),
    Invariant(3, "holds are resolved once, with their turn", holds),
    Invariant(4, "budget periods match the sum of their events", spending),
    Invariant(5, "costs match tokens × price exactly", costs),
    Invariant(6, "report totals match the ledger", rollups),
    Invariant(7, "input tokens match the provider's total", totals),
    Invariant(8, "repeated tasks and requests change nothing", repeats),
)
