"""Turns and their cost, from the ledger."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Max

from billing.days import DayRange
from billing.models import UsageEvent
from billing.reports.corrections import with_corrections
from billing.reports.events import events_of
from billing.reports.filters import Filters


@dataclass(frozen=True, slots=True)
class TurnCost:
    turn_id: uuid.UUID
    session_id: uuid.UUID
    at: dt.datetime
    room_name: str
    token_id: uuid.UUID | None
    agents: Sequence[str]
    models: Sequence[str]
    calls: int
    cost_pico: int | None
    """None if no call is priced."""


def turns_of(days: DayRange, filters: Filters, *, limit: int) -> list[TurnCost]:
    """Return the newest turns with calls that match the filters, and the cost of those calls. Two queries."""
    kept = events_of(days, filters)
    newest = kept.order_by().values("turn_id").annotate(at=Max("created_at")).order_by("-at", "turn_id")
    moments = {row["turn_id"]: row["at"] for row in newest[:limit]}
    events: dict[uuid.UUID, list[UsageEvent]] = {turn_id: [] for turn_id in moments}
    for event in kept.filter(turn_id__in=list(moments)).select_related("model").order_by("created_at", "id"):
        events[event.turn_id].append(event)
    return [turn_cost(moments[turn_id], with_corrections(of_turn)) for turn_id, of_turn in events.items()]


def turn_cost(at: dt.datetime, events: Sequence[UsageEvent]) -> TurnCost:
    priced = [event.cost_pico for event in events if event.cost_pico is not None]
    first = events[0]
    return TurnCost(
        turn_id=first.turn_id,
        session_id=first.session_id,
        at=at,
        room_name=first.room_name,
        token_id=first.token_id,
        agents=list(dict.fromkeys(event.agent_key for event in events if event.agent_key)),
        models=list(dict.fromkeys(event.model.alias for event in events)),
        calls=len(events),
        cost_pico=sum(priced) if priced else None,
    )
