"""End a turn whose commit the database refuses because of a value in it, which every further claim would repeat."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from typing import Any

from django.db import DataError, IntegrityError
from django.utils import timezone

from orchestration.engine.ports import CallError
from orchestration.engine.result import TurnResult
from orchestration.engine.specs import BUCKETS, UsageReport
from sessions.models import Call
from sessions.services.calls import TurnCalls
from sessions.services.leases import ClaimedTurn
from sessions.services.turn_commit import turn_commit

log = logging.getLogger(__name__)

MOST_TOKENS = 100_000_000
"""Of a kind in one call; above it, the call counts as its upper bound."""

REFUSALS = (DataError, IntegrityError, OverflowError, ValueError)
"""What the database or its driver raises for a value. OverflowError: SQLite. ValueError: text that is not UTF-8."""


def turn_give_up(
    *, claimed: ClaimedTurn, last_event_seq: int, written: TurnCalls, error: Exception
) -> dict[str, Any]:
    """Commit a turn as failed, without its answers; return its terminal event's fields.

    Its calls are billed as they are, if they are refused without all but their token counts, and if even these are,
    not at all: the ledger's audit finds them.
    Raises FenceLost.
    """
    reason = reason_of(error)
    log.error("turn %s could not be stored: %s", claimed.turn_id, reason)
    failure = CallError(
        "internal_error", "The answers could not be stored.", retryable=True, details={"reason": reason}
    )
    result = TurnResult("failed", (), "failed", failure)
    for calls in ways_to_bill(written):
        try:
            return turn_commit(claimed=claimed, result=result, last_event_seq=last_event_seq, written=calls)
        except REFUSALS as refusal:
            log.error(
                "the %d calls of turn %s could not be billed: %s",
                len(calls.calls),
                claimed.turn_id,
                reason_of(refusal),
            )
    raise error


def ways_to_bill(written: TurnCalls) -> Iterator[TurnCalls]:
    yield written
    yield bare_calls(written)
    yield TurnCalls()


def bare_calls(written: TurnCalls) -> TurnCalls:
    """Return the calls with nothing of what their providers sent but plausible token counts."""
    new = {call.pk for call in written.new}
    calls = [bare(call) for call in written.calls]
    # All outcomes are written again: a stored one may be what is refused.
    return TurnCalls(
        calls, [call for call in calls if call.pk in new], [call for call in calls if call.pk not in new]
    )


def bare(call: Call) -> Call:
    copied = copy.copy(call)
    copied.usage = bare_report(call).as_dict()
    copied.finished_at = call.finished_at or timezone.now()
    if call.status == Call.Status.STARTED:
        copied.status = Call.Status.INTERRUPTED
    if call.error is not None:
        copied.error = {name: call.error[name] for name in ("code", "retryable", "final")} | {"message": ""}
    copied.cut_text = copied.model_served = copied.provider_request_id = ""
    copied.context = {name: value for name, value in call.context.items() if isinstance(value, int)}
    copied.received_bytes, copied.latency_ms, copied.first_token_ms = 0, None, None
    return copied


def bare_report(call: Call) -> UsageReport:
    report = UsageReport.from_dict(call.usage) if call.usage else None
    if report is not None and all(0 <= getattr(report.usage, name) <= MOST_TOKENS for name in BUCKETS):
        return UsageReport(usage=report.usage, source=report.source)
    return UsageReport(usage=call.bound, source="estimated")


def reason_of(error: Exception) -> str:
    """Return what was refused, without the value: PostgreSQL's messages quote rows, and so what people wrote."""
    diagnosis = getattr(error.__cause__, "diag", None)
    names = (
        getattr(diagnosis, name, None)
        for name in ("sqlstate", "table_name", "column_name", "constraint_name")
    )
    return " ".join([type(error).__name__, *(name for name in names if name)])
