"""Price calls that had no price when they were made. Adds corrections: ledger rows never change."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q

from billing.fields import MAX_PICO
from billing.models import ModelPrice, UsageEvent
from billing.pricing import cost_pico, price_for
from billing.services.budget_lock import budgets_shared_lock
from billing.services.rollup import rollup_add
from billing.services.spending import spending_add
from orchestration.models import LlmModel
from web.compiled import together

BATCH = 500
"""Calls per transaction, so that turns can commit in between."""

AS_THE_CALL = (
    *("user_id", "team_id", "team_name", "token_id", "room_id", "room_name", "session_id", "turn_id"),
    *("agent_id", "agent_key", "mode", "purpose", "round", "attempt", "provider", "model_id", "model_asked"),
    *("model_served", "provider_request_id", "source", "status", "created_at"),
)
"""Fields that a correction copies from its call, so that it is found with the call and counts on its day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepricedModel:
    alias: str
    priced: int
    cost_pico: int
    left: int
    """Calls that stay unpriced: no price was in effect, or the cost would be out of range."""


def events_reprice(
    *, start: dt.datetime, end: dt.datetime | None = None, model: LlmModel | None = None
) -> list[RepricedModel]:
    """Price unpriced calls from `start` until before `end`; return the outcome by model.

    Each batch is one transaction, including its part of the rollup. Running it again, or twice at once, prices no call
    twice.
    """
    unpriced = UsageEvent.objects.unpriced().filter(_within(start, end))
    models = (
        [model] if model else list(LlmModel.objects.filter(pk__in=unpriced.values("model")).order_by("alias"))
    )
    return [_model_reprice(model=each, start=start, end=end) for each in models]


def _model_reprice(*, model: LlmModel, start: dt.datetime, end: dt.datetime | None) -> RepricedModel:
    after: UsageEvent | None = None
    seen = priced = cost = 0
    while True:
        events, corrections = _batch_reprice(model=model, where=_within(start, end), after=after)
        seen, priced = seen + len(events), priced + len(corrections)
        cost += sum(correction.cost_pico or 0 for correction in corrections)
        if len(events) < BATCH:
            return RepricedModel(alias=model.alias, priced=priced, cost_pico=cost, left=seen - priced)
        after = events[-1]


@transaction.atomic(durable=True)
def _batch_reprice(
    *, model: LlmModel, where: Q, after: UsageEvent | None
) -> tuple[Sequence[UsageEvent], Sequence[UsageEvent]]:
    """Price the next calls; return them and the corrections."""
    # Blocks another reprice, not turns: their inserts only need a key-share lock of the model.
    LlmModel.objects.select_for_update(no_key=True).get(pk=model.pk)
    prices = list(ModelPrice.objects.filter(model=model))
    events = UsageEvent.objects.unpriced().filter(where, model=model)
    if after is not None:
        events = events.filter(
            Q(created_at__gt=after.created_at) | Q(created_at=after.created_at, pk__gt=after.pk)
        )
    batch = list(events.order_by("created_at", "pk")[:BATCH])
    corrections = [row for event in batch if (row := correction_of(event, prices)) is not None]
    UsageEvent.objects.bulk_create(corrections)
    together(*budgets_shared_lock())
    spending_add(events=corrections)
    rollup_add(corrections)
    return batch, corrections


def correction_of(event: UsageEvent, prices: Sequence[ModelPrice]) -> UsageEvent | None:
    """Return the unsaved correction of a call at the price in effect when it ended; None if it has none."""
    price = price_for(prices, total_input=event.usage.total_input, at=event.created_at)
    cost = cost_pico(event.usage, price)
    if cost is None or cost > MAX_PICO:
        return None
    return UsageEvent(
        id=uuid.uuid4(),
        corrects=event,
        price=price,
        cost_pico=cost,
        **{name: getattr(event, name) for name in AS_THE_CALL},
    )


def _within(start: dt.datetime, end: dt.datetime | None) -> Q:
    return Q(created_at__gte=start) if end is None else Q(created_at__gte=start, created_at__lt=end)
