"""Usage of calls and turns, as the API answers it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework import serializers

from billing.fields import usd_text
from billing.models import UsageEvent
from billing.reports.corrections import with_corrections
from billing.selectors.shapes import TokensShape, usd
from orchestration.engine.specs import UsageReport
from web.api.shapes import Shape, count, flag, mapping


class TurnEvents:
    """The usage events of a turn, corrections among them."""

    def __init__(self, events: Iterable[UsageEvent]) -> None:
        self.events = with_corrections(events)
        self.usages = [event.usage for event in self.events]
        self.priced = [event for event in self.events if event.cost_pico is not None]

    @property
    def cost_pico(self) -> int | None:
        return sum(event.cost_pico or 0 for event in self.priced) if self.priced else None

    @property
    def by_purpose(self) -> dict[str, str | None]:
        costs: dict[str, int] = {}
        for event in self.priced:
            costs[event.purpose] = costs.get(event.purpose, 0) + (event.cost_pico or 0)
        return {purpose: usd_text(cost) for purpose, cost in costs.items()}


class TurnUsageShape(Shape):
    # Rendered from `TurnEvents`.
    calls = count("Model calls, every attempt.", of=lambda turn: len(turn.events))
    input_tokens = count("Input tokens.", of=lambda turn: sum(usage.total_input for usage in turn.usages))
    cached_tokens = count(
        "Input tokens read from a cache.",
        of=lambda turn: sum(usage.cache_read for usage in turn.usages),
    )
    output_tokens = count("Output tokens.", of=lambda turn: sum(usage.output for usage in turn.usages))
    cost_usd = usd("Cost of the priced calls; null: none is priced.", of="cost_pico", allow_null=True)
    estimated = flag(
        "Whether some tokens are Pantheon's estimate.",
        of=lambda turn: any(event.source == UsageEvent.Source.ESTIMATED for event in turn.events),
    )
    unpriced_calls = count(
        "Number of calls without a price.", of=lambda turn: len(turn.events) - len(turn.priced)
    )
    by_purpose = mapping("Purpose -> USD.", child=serializers.CharField())


def usage_of_report(report: UsageReport) -> dict[str, Any]:
    """Return the tokens of one call."""
    usage: dict[str, Any] = TokensShape.render(report)
    return usage


def usage_of_events(events: Iterable[UsageEvent]) -> dict[str, Any]:
    """Return a turn's usage: every attempt counts; cost is null if no call is priced."""
    usage: dict[str, Any] = TurnUsageShape.render(TurnEvents(events))
    return usage
