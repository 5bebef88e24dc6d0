"""The only write path of usage: priced events and their rollup, inside the caller's transaction."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from django.db import connection
from django.db.transaction import TransactionManagementError

from billing.fields import usd_to_pico
from billing.models import ZERO_UUID, ModelPrice, UsageEvent
from billing.payer import Payer
from billing.pricing import COST_DIFFERS, billed_report, cost_differs, cost_pico
from billing.selectors.price_book import Prices, prices_now
from billing.services.budget_lock import budgets_shared_lock
from billing.services.rollup import rollup_add
from billing.services.spending import spending_add
from orchestration.engine.specs import BUCKETS, Usage, UsageReport
from web.database.compiled import Bound, insertions, together


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredCall:
    """A model call to be billed. `id` becomes the event's id."""

    id: uuid.UUID
    agent_id: uuid.UUID | None
    agent_key: str
    purpose: str
    round: int
    attempt: int
    provider: str
    model_id: uuid.UUID
    model_asked: str
    model_served: str
    provider_request_id: str
    report: UsageReport
    bound: Usage
    """The most that the call can have used: billed if the provider's counts are implausible."""
    status: str
    latency_ms: int | None
    first_token_ms: int | None
    ended_at: dt.datetime


def usage_stage(
    *,
    payer: Payer,
    calls: Sequence[MeteredCall],
    prices: Prices | None = None,
    has_hold: bool = True,
    beside: Sequence[Bound] = (),
) -> list[UsageEvent]:
    """Write one priced event per call, settle the turn's hold, and add to budgets and rollup (inside a transaction).

    A fixed number of statements, however many calls (SQLite inserts some 25 events at a time). Staging a call twice
    violates the primary key. `prices`: the prices, if this transaction has read them. `has_hold`: False if the turn is
    known to have none. `beside`: statements to send together with the inserts.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("Usage is staged inside the transaction that ends its turn.")
    if prices is None:
        prices = prices_now() if calls else {}
    events = [event_of(payer, call, prices.get(call.model_id, ())) for call in calls]
    together(*beside, *insertions(events), *budgets_shared_lock())
    spending_add(events=events, turn_id=payer.turn_id if has_hold else None)
    rollup_add(events)
    return events


def event_of(payer: Payer, call: MeteredCall, prices: Sequence[ModelPrice]) -> UsageEvent:
    """Return the unsaved event of a call, at the price in effect when the call ended."""
    report, price = billed_report(call.report, bound=call.bound, prices=prices, at=call.ended_at)
    usage = report.usage
    cost, theirs = cost_pico(usage, price), provider_cost_pico(report.provider_cost_usd)
    differs = (COST_DIFFERS,) if cost_differs(cost, theirs, report.flags) else ()
    return UsageEvent(
        id=call.id,
        user_id=payer.user_id,
        team_id=payer.team_id,
        team_name=payer.team_name,
        token_id=payer.token_id,
        room_id=payer.room_id,
        room_name=payer.room_name,
        session_id=payer.session_id,
        turn_id=payer.turn_id,
        mode=payer.mode,
        agent_id=call.agent_id or ZERO_UUID,
        agent_key=call.agent_key,
        purpose=call.purpose,
        round=call.round,
        attempt=call.attempt,
        provider=call.provider,
        model_id=call.model_id,
        model_asked=call.model_asked,
        model_served=call.model_served,
        provider_request_id=call.provider_request_id,
        **{f"{bucket}_tokens": getattr(usage, bucket) for bucket in BUCKETS},
        reasoning_tokens=min(usage.reasoning, usage.output),
        source=report.source,
        raw_usage=report.raw,
        flags=[*report.flags, *differs],
        price=price,
        cost_pico=cost,
        provider_cost_pico=theirs,
        status=call.status,
        latency_ms=call.latency_ms,
        first_token_ms=call.first_token_ms,
        created_at=call.ended_at,
    )


def provider_cost_pico(usd: str | None) -> int | None:
    """Convert the cost that a provider reported to pico-USD; None if it is not an amount."""
    if usd is None:
        return None
    try:
        pico = usd_to_pico(Decimal(usd).quantize(Decimal(1).scaleb(-12)))
    except (InvalidOperation, ValueError):
        return None
    return pico if pico >= 0 else None
