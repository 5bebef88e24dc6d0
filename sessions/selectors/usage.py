"""Usage of calls, in the API's shape."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from billing.fields import usd_text
from billing.models import UsageEvent
from billing.reports.corrections import with_corrections
from orchestration.engine.specs import Usage, UsageReport


def usage_of_buckets(usage: Usage, source: str) -> dict[str, Any]:
    """Return token counts: `input_tokens` is the provider's total, `cached_tokens` the part read from a cache."""
    return {
        "input_tokens": usage.total_input,
        "cached_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write,
        "output_tokens": usage.output,
        "reasoning_tokens": usage.reasoning,
        "estimated": source == "estimated",
    }


def usage_of_report(report: UsageReport) -> dict[str, Any]:
    return usage_of_buckets(report.usage, report.source)


def usage_of_events(events: Iterable[UsageEvent]) -> dict[str, Any]:
    """Return a turn's usage: every attempt counts; cost is null if no call is priced."""
    events = with_corrections(events)
    buckets = [event.usage for event in events]
    priced = [event for event in events if event.cost_pico is not None]
    by_purpose: dict[str, int] = {}
    for event in priced:
        by_purpose[event.purpose] = by_purpose.get(event.purpose, 0) + (event.cost_pico or 0)
    return {
        "calls": len(events),
        "input_tokens": sum(bucket.total_input for bucket in buckets),
        "cached_tokens": sum(bucket.cache_read for bucket in buckets),
        "output_tokens": sum(bucket.output for bucket in buckets),
        "cost_usd": usd_text(sum(event.cost_pico or 0 for event in priced)) if priced else None,
        "estimated": any(event.source == UsageEvent.Source.ESTIMATED for event in events),
        "unpriced_calls": len(events) - len(priced),
        "by_purpose": {purpose: usd_text(cost) for purpose, cost in by_purpose.items()},
    }
