"""The journal: every call is inserted before it is sent and gets its outcome before the next call begins."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction
from django.db.models import UUIDField
from django.utils import timezone

from billing.pricing import billed_report, cost_pico
from billing.selectors.price_book import Prices
from billing.selectors.unseen import with_unseen_output
from billing.services.holds import UsedCall
from orchestration.engine.overflows import CODE as OVERFLOW
from orchestration.engine.ports import (
    CallError,
    CallIntent,
    CallOutcome,
    ContextOverflow,
    PastCall,
    Uncounted,
)
from orchestration.engine.specs import Usage, UsageReport
from orchestration.engine.tokens import tokens_of_bytes, utf8_bytes
from sessions.models import Call, Turn
from sessions.services.fence import FenceLost, turn_fence
from web.database.compiled import Bound, CompiledUpdate, Slot, insertion, insertions, together

OUTCOME = (
    *("status", "error", "text", "received_bytes", "usage", "model_served", "provider_request_id", "context"),
    *("cut_text", "reasoning_effort"),
    *("finished_at", "latency_ms", "first_token_ms", "committed"),
)
"""Fields that are known once the call has ended."""

RECEIVED: Any = Call._meta.get_field("received_bytes")

WRITE_OUTCOME = CompiledUpdate(
    lambda: (
        Call.objects.filter(pk=Slot("call_id", UUIDField())),
        {name: Slot(name, Call._meta.get_field(name)) for name in OUTCOME},
    )
)


@dataclass(slots=True)
class TurnCalls:
    """A turn's unbilled calls as its runner knows them, and those not yet written to the database."""

    calls: list[Call] = field(default_factory=list)
    """All of them, in order."""
    new: list[Call] = field(default_factory=list)
    """Calls without a row."""
    ended: list[Call] = field(default_factory=list)
    """Calls whose row has no outcome."""

    @property
    def are_open(self) -> bool:
        """Whether a call is open."""
        return any(call.status == Call.Status.STARTED for call in self.calls)


def calls_write(
    *, turn_id: uuid.UUID, claim: int, new_call: Call | None = None, ended_calls: Sequence[Call] = ()
) -> None:
    """Store the outcomes of calls, and a call that is about to be sent, in one transaction. Raises FenceLost."""
    if new_call is not None and not ended_calls:
        call_write_first(new_call, claim)
        return
    with transaction.atomic(durable=True):
        turn_fence(turn_id=turn_id, claim=claim)
        together(
            *(outcome_of(call) for call in ended_calls),
            *insertions([new_call] if new_call is not None else []),
        )


def call_write_first(call: Call, claim: int) -> None:
    """Insert a call that is about to be sent: fence and row in one statement. Raises FenceLost."""
    key: Any = Turn._meta.pk
    turn_sql = f"FROM {Turn._meta.db_table} WHERE id = %s AND claim = %s AND status = %s"
    if connection.vendor == "postgresql":
        turn_sql += " FOR NO KEY UPDATE"
    params = [key.get_db_prep_value(call.turn_id, connection), claim, Turn.Status.RUNNING]
    with connection.cursor() as cursor:
        cursor.execute(*insertion([call], where=(turn_sql, params)))
        if not cursor.rowcount:
            raise FenceLost(f"turn {call.turn_id} is no longer held by claim {claim}")


def outcome_of(call: Call) -> Bound:
    """Return the statement that stores a call's outcome."""
    return WRITE_OUTCOME.bind(call_id=call.pk, **{name: getattr(call, name) for name in OUTCOME})


def call_exists(call: Call) -> bool:
    """Return whether this claim has inserted the call."""
    return Call.objects.filter(pk=call.pk, turn_id=call.turn_id, claim=call.claim).exists()


def call_of_intent(*, turn_id: uuid.UUID, claim: int, number: int, intent: CallIntent) -> Call:
    """Return the unsaved row of a call that is about to be sent."""
    agent = intent.agent
    return Call(
        id=uuid.UUID(intent.call_id),
        turn_id=turn_id,
        claim=claim,
        number=number,
        step_id=uuid.UUID(intent.step_id),
        slot=intent.slot,
        purpose=intent.request.purpose,
        agent_id=uuid.UUID(agent.id) if agent else None,
        agent_key=agent.key if agent else "",
        agent_name=agent.name if agent else "",
        round=intent.round,
        attempt=intent.attempt,
        model_id=uuid.UUID(intent.request.model.id),
        reasoning_effort=intent.request.reasoning_effort,
        context=intent.context,
    )


def call_close(call: Call, outcome: CallOutcome, *, at: dt.datetime) -> None:
    """Set a call's outcome on its row (unsaved)."""
    call.status = outcome.status
    call.error = None
    if outcome.error is not None:
        call.error = {**dataclasses.asdict(outcome.error), "final": outcome.final}
        if outcome.provider_text:
            call.error["provider_text"] = outcome.provider_text
    call.text = outcome.text
    call.received_bytes = max(call.received_bytes, utf8_bytes(outcome.text))
    call.usage = outcome.report.as_dict()
    call.model_served = outcome.model_served[:200]
    call.provider_request_id = outcome.provider_request_id[:200]
    call.reasoning_effort = outcome.reasoning_effort
    call.context = {**call.context, "finish_reason": outcome.finish_reason}
    if outcome.images_unseen:
        call.context["images_unseen"] = outcome.images_unseen
    if outcome.input_cut:
        call.context["input_cut"] = 1
    if outcome.overflow is not None:
        call.context |= overflow_context(outcome.overflow)
    if outcome.cut_for:
        call.context["cut_for"] = outcome.cut_for
        call.cut_text = outcome.cut_text
    if outcome.fallback_reason is not None:
        call.context["fallback_reason"] = outcome.fallback_reason
    if outcome.opened_in_thought is not None:
        call.context["opened_in_thought"] = int(outcome.opened_in_thought)
    call.finished_at = at
    call.latency_ms = outcome.latency_ms
    call.first_token_ms = outcome.first_token_ms


def overflow_context(overflow: ContextOverflow) -> dict[str, int]:
    """Return the figures of a refusal as parts of a call's context, which `overflow_in` reads."""
    figures = dataclasses.asdict(overflow).items()
    return {f"overflow_{name}": tokens for name, tokens in figures if tokens is not None}


def overflow_in(call: Call) -> ContextOverflow | None:
    """Return the figures of a refusal as too long; None if the call was not refused for that."""
    names = (figure.name for figure in dataclasses.fields(ContextOverflow))
    figures = {name: call.context.get(f"overflow_{name}") for name in names}
    is_overflow = call.error is not None and call.error["code"] == OVERFLOW
    return ContextOverflow(**figures) if is_overflow or any(figures.values()) else None


def call_estimate(call: Call, uncounted: Uncounted, *, is_held: bool) -> None:
    """Complete the estimated usage of an ended call (unsaved). `is_held`: the turn is under a hard budget."""
    assert call.usage is not None
    report = with_unseen_output(
        UsageReport.from_dict(call.usage),
        uncounted,
        model_id=call.model_id,
        purpose=call.purpose,
        bound=call.bound,
        is_held=is_held,
    )
    call.usage = report.as_dict()


def call_cost(call: Call, prices: Prices) -> int | None:
    """Return the cost of a finished call in pico-USD at the prices of its end; None if unpriced."""
    assert call.usage is not None
    assert call.finished_at is not None
    report, price = billed_report(
        UsageReport.from_dict(call.usage),
        bound=call.bound,
        prices=prices.get(call.model_id, ()),
        at=call.finished_at,
    )
    return cost_pico(report.usage, price)


@transaction.atomic(durable=True)
def journal_check() -> None:
    """Insert a call and roll back. Raises DatabaseError if the journal is not writable."""
    unused_id = uuid.uuid4()
    Call.objects.create(
        turn_id=unused_id, claim=0, number=0, step_id=unused_id, slot="", purpose="", model_id=unused_id
    )
    transaction.set_rollback(True)


def calls_interrupt(*, turn_id: uuid.UUID) -> list[Call]:
    """Close the calls that a dead runner left open, billed as estimated (inside a transaction), and return them."""
    calls = list(Call.objects.select_for_update().filter(turn_id=turn_id, status=Call.Status.STARTED))
    for call in calls:
        estimates = (call.context.get(name, 0) for name in ("estimate_raw", "estimate_after"))
        usage = Usage(input=max(estimates), output=tokens_of_bytes(call.received_bytes))
        call.status = Call.Status.INTERRUPTED
        call.usage = UsageReport(usage=usage, source="estimated").as_dict()
        call.finished_at = timezone.now()
        uncounted = Uncounted(most_seen=call.received_bytes, unseen_ms=0)
        # An estimate under hard budgets too: users cannot kill a runner, and bounds would use budgets up at a crash.
        call_estimate(call, uncounted, is_held=False)
    Call.objects.bulk_update(calls, ["status", "usage", "finished_at"])
    return calls


def calls_note_received(*, received: dict[uuid.UUID, int]) -> None:
    """Store the number of bytes that each open call has received.

    Raw SQL, one statement on PostgreSQL: for a thousand calls the ORM takes a tenth of a second to compile
    it.
    """
    if not received:
        return
    column = connection.ops.quote_name(RECEIVED.column)
    update = f"UPDATE {Call._meta.db_table} AS call SET {column} = "
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                f"{update} now.size FROM unnest(%s::uuid[], %s::integer[]) AS now (id, size) "
                f"WHERE call.id = now.id AND call.status = %s",
                [list(received), list(received.values()), Call.Status.STARTED],
            )
        else:
            cursor.executemany(
                f"{update} %s WHERE id = %s AND status = %s",
                [(size, call_id.hex, Call.Status.STARTED) for call_id, size in received.items()],
            )


def past_calls(calls: Iterable[Call]) -> dict[str, PastCall]:
    """Return slot -> its newest call, for a resumed turn. The calls must be ended and in order."""
    past: dict[str, PastCall] = {}
    for call in calls:
        error = call.error and CallError(
            call.error["code"], call.error["message"], call.error["retryable"], call.error.get("details", {})
        )
        final = call.error["final"] if call.error else True
        finish_reason = call.context.get("finish_reason", "")
        earlier = past.get(call.slot)
        past[call.slot] = PastCall(
            str(call.step_id),
            call.attempt,
            call.status,  # type: ignore[arg-type]
            call.text,
            error,
            final,
            finish_reason,
            overflow_in(call) or (earlier.overflow if earlier else None),
        )
    return past


def calls_used(calls: Iterable[Call], prices: Prices) -> list[UsedCall]:
    """Return model, billed usage and end of each ended call."""
    return [
        (call.model_id, billed_usage(call, prices), call.finished_at)
        for call in calls
        if call.usage is not None and call.finished_at is not None
    ]


def billed_usage(call: Call, prices: Prices) -> Usage:
    assert call.usage is not None
    assert call.finished_at is not None
    rows = prices.get(call.model_id, ())
    report, _ = billed_report(
        UsageReport.from_dict(call.usage), bound=call.bound, prices=rows, at=call.finished_at
    )
    return report.usage
