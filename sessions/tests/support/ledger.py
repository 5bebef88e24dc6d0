"""Compare the provider's count with ours."""

from __future__ import annotations

from billing.models import DailyUsage, UsageEvent
from orchestration.engine.specs import Usage
from orchestration.tests.providers import ProviderServer
from sessions.models import Call, Turn
from sessions.selectors.ledger_audit import INVARIANTS


def assert_ledger_matches(*servers: ProviderServer) -> None:
    """Compare attempt for attempt and token for token.

    Usage that a server sent to the client is billed as it is; an HTTP error costs nothing; a cut call is estimated. Our
    own ledger is consistent too: one event per call, every call committed, and no findings of the audit.
    """
    served = [exchange.wait() for server in servers for exchange in server.served]
    events = {event.provider_request_id or str(event.pk): event for event in UsageEvent.objects.all()}
    assert len(events) == UsageEvent.objects.count() == len(served)
    unnamed = [event for event in events.values() if not event.provider_request_id]
    for exchange in served:
        event = events.get(exchange.request_id) or unnamed.pop()
        if exchange.status >= 400:
            assert (event.source, event.cost_pico, event.status) == ("none", 0, "failed")
        elif exchange.usage_told:
            assert (event.source, event.usage) == (
                "provider",
                without_reasoning(exchange.usage, event),
            )
        else:
            assert event.source == "estimated"
            assert event.status in ("failed", "cancelled", "interrupted")
            assert event.input_tokens > 0
    assert set(Call.objects.values_list("pk", flat=True)) == {event.pk for event in events.values()}
    assert not Call.objects.filter(committed=False).exists()
    assert not Turn.objects.active().exists()
    assert_nothing_to_audit()
    assert sum(row.calls for row in DailyUsage.objects.all()) == len(events)
    assert sum(row.cost_pico for row in DailyUsage.objects.all()) == sum(
        event.cost_pico or 0 for event in events.values()
    )


def assert_nothing_to_audit() -> None:
    assert [line for invariant in INVARIANTS for line in invariant.breaches()] == []


def without_reasoning(usage: Usage, event: UsageEvent) -> Usage:
    """Return usage to compare with an event: Anthropic reports no reasoning tokens, so the event may have none."""
    assert event.reasoning_tokens in (0, usage.reasoning)
    return Usage(
        usage.input,
        usage.cache_read,
        usage.cache_write_5m,
        usage.cache_write_1h,
        usage.output,
        event.reasoning_tokens,
    )
