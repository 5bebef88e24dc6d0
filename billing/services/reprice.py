"""Price calls again with the prices in effect when they were made. Adds corrections: ledger rows never change."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.services.audit import audit_record
from billing.fields import MAX_PICO
from billing.models import ModelPrice, UsageEvent
from billing.pricing import cost_pico, price_for
from billing.reports.corrections import with_corrections
from billing.services.budget_lock import budgets_shared_lock
from billing.services.rollup import rollup_add
from billing.services.spending import spending_add
from orchestration.models import LlmModel
from web.database.compiled import together

BATCH = 500
"""Calls per transaction, so that turns can commit in between."""

COPIED_FIELDS = (
    *("user_id", "team_id", "team_name", "token_id", "room_id", "room_name", "session_id", "turn_id"),
    *("agent_id", "agent_key", "mode", "purpose", "round", "attempt", "provider", "model_id", "model_asked"),
    *("model_served", "provider_request_id", "source", "status", "created_at"),
)
"""Fields that a correction copies from its call, so that it is found with the call and counts on its day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepricePeriod:
    """The calls to price: those of a time range, and only if `with_priced` those that have a cost already."""

    start: dt.datetime
    end: dt.datetime | None = None
    with_priced: bool = False

    def calls(self) -> QuerySet[UsageEvent]:
        """Return the calls of all models, oldest first."""
        calls: QuerySet[UsageEvent] = (
            UsageEvent.objects.calls() if self.with_priced else UsageEvent.objects.unpriced()
        )
        if self.end is not None:
            calls = calls.filter(created_at__lt=self.end)
        return calls.filter(created_at__gte=self.start).order_by("created_at", "pk")


@dataclass(slots=True, kw_only=True)
class RepricedModel:
    """The outcome of repricing a model's calls, or what it would be."""

    alias: str
    priced: int = 0
    """Calls that had no cost."""
    corrected: int = 0
    """Calls that had another cost."""
    cost_pico: int = 0
    """What both add to the bill; negative if calls cost less than they were billed at."""
    left: int = 0
    """Calls that stay unpriced: no price was in effect, or the cost would be out of range."""

    def add(self, calls: Sequence[UsageEvent], corrections: Sequence[UsageEvent]) -> None:
        """Count a batch of calls with their costs until now, and its corrections."""
        unpriced = sum(row.cost_before_pico is None for row in corrections)
        self.priced += unpriced
        self.corrected += len(corrections) - unpriced
        self.cost_pico += sum(row.cost_pico or 0 for row in corrections)
        self.left += sum(call.cost_pico is None for call in calls) - unpriced


def events_reprice(
    *, start: dt.datetime, end: dt.datetime | None = None, model: LlmModel | None = None
) -> list[RepricedModel]:
    """Price unpriced calls from `start` until before `end`; return the outcome by model.

    Each batch is one transaction, including its part of the rollup. Running it again, or twice at once, prices no call
    twice.
    """
    period = RepricePeriod(start=start, end=end)
    unpriced = period.calls().order_by().values("model")
    models = [model] if model else list(LlmModel.objects.filter(pk__in=unpriced).order_by("alias"))
    return [_model_reprice(model=each, period=period) for each in models]


def model_events_correct(
    *,
    model: LlmModel,
    start: dt.datetime,
    end: dt.datetime | None = None,
    reason: str,
    actor_id: uuid.UUID | None,
) -> RepricedModel:
    """Price a model's calls again, with or without a cost, and record who did it and why.

    A call is corrected by the difference to what it costs at the price in effect when it ended. Running it again, or
    twice at once, changes nothing. The audit entry is in the transaction of the first correction.
    """
    period = RepricePeriod(start=start, end=end, with_priced=True)
    values = {"from": start.isoformat(), "until": end and end.isoformat(), "reason": reason}
    return _model_reprice(model=model, period=period, actor_id=actor_id, audited=values)


def reprice_preview(*, model: LlmModel, period: RepricePeriod, limit: int) -> RepricedModel | None:
    """Return what repricing would change, without changing it; None if more than `limit` calls are in the period."""
    calls = list(period.calls().filter(model=model)[: limit + 1])
    if len(calls) > limit:
        return None
    outcome = RepricedModel(alias=model.alias)
    outcome.add(*corrections_for(calls, model))
    return outcome


def _model_reprice(
    *,
    model: LlmModel,
    period: RepricePeriod,
    actor_id: uuid.UUID | None = None,
    audited: Mapping[str, object] | None = None,
) -> RepricedModel:
    outcome = RepricedModel(alias=model.alias)
    after: UsageEvent | None = None
    while True:
        with transaction.atomic(durable=True):
            calls, corrections = _batch_reprice(model=model, period=period, after=after)
            if audited is not None and corrections and not (outcome.priced or outcome.corrected):
                audit_record(actor_id=actor_id, action="reprice", row=model, after=dict(audited))
        outcome.add(calls, corrections)
        if len(calls) < BATCH:
            return outcome
        after = calls[-1]


def _batch_reprice(
    *, model: LlmModel, period: RepricePeriod, after: UsageEvent | None
) -> tuple[Sequence[UsageEvent], Sequence[UsageEvent]]:
    """Price the next calls; return them with their costs until now, and the corrections (inside a transaction)."""
    # Blocks another reprice, not turns: their inserts only need a key-share lock of the model.
    LlmModel.objects.select_for_update(no_key=True).get(pk=model.pk)
    calls = period.calls().filter(model=model)
    if after is not None:
        calls = calls.filter(
            Q(created_at__gt=after.created_at) | Q(created_at=after.created_at, pk__gt=after.pk)
        )
    batch, corrections = corrections_for(list(calls[:BATCH]), model)
    UsageEvent.objects.bulk_create(corrections)
    together(*budgets_shared_lock())
    spending_add(events=corrections)
    rollup_add(corrections)
    return batch, corrections


def corrections_for(
    calls: Sequence[UsageEvent], model: LlmModel
) -> tuple[Sequence[UsageEvent], Sequence[UsageEvent]]:
    """Return a model's calls with their costs until now, and the unsaved corrections of those that cost another now."""
    earlier = list(UsageEvent.objects.filter(corrects__in=calls))
    numbers = Counter(row.corrects_id for row in earlier)
    prices = list(ModelPrice.objects.filter(model=model))
    calls = with_corrections([*calls, *earlier])
    corrections = (correction_of(call, prices, number=numbers[call.pk]) for call in calls)
    return calls, [correction for correction in corrections if correction is not None]


def correction_of(call: UsageEvent, prices: Sequence[ModelPrice], *, number: int = 0) -> UsageEvent | None:
    """Return the unsaved correction of a call to its cost at the price in effect when it ended; None without a change.

    `call.cost_pico` is its cost until now, after `number` corrections. A call without a price in effect, or whose cost
    would be out of range, keeps what it has.
    """
    price = price_for(prices, total_input=call.usage.total_input, at=call.created_at)
    cost, before = cost_pico(call.usage, price), call.cost_pico
    if cost is None or cost > MAX_PICO or cost == before:
        return None
    return UsageEvent(
        id=uuid.uuid4(),
        corrects=call,
        corrections_before=number,
        price=price,
        cost_pico=cost - (before or 0),
        cost_before_pico=before,
        **{name: getattr(call, name) for name in COPIED_FIELDS},
    )
