"""Metrics of turns for operators, counted after the commit, so that metrics and ledger agree.

In production each process counts for itself, and the processes of a machine are summed when scraped.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram

from billing.fields import pico_to_usd
from billing.models import UsageEvent
from orchestration.engine.specs import BUCKETS

TURNS = Counter("pantheon_turns", "Turns that became final.", ["mode", "status"])
CALLS = Counter("pantheon_calls", "Model calls that were billed.", ["provider", "model", "purpose", "status"])
TOKENS = Counter("pantheon_tokens", "Tokens that were billed.", ["provider", "model", "bucket"])
COST = Counter("pantheon_cost_usd", "USD billed, without unpriced calls.", ["provider", "model"])
FIRST_TOKEN = Histogram(
    "pantheon_first_token_seconds",
    "Seconds from a call to its first token.",
    ["provider", "model"],
    buckets=(0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60),
)
EVENTS_WAITING = Gauge(
    "pantheon_events_waiting", "Events of turns waiting to be published.", multiprocess_mode="livesum"
)
EVENTS_DROPPED = Counter(
    "pantheon_events_dropped", "Events that could not be published; readers got the turn's state instead."
)
EVENT_SNAPSHOTS = Counter(
    "pantheon_event_snapshots",
    "Readers that got a snapshot while their turn was running: its log lacked the requested events.",
)


def turn_observed(*, mode: str, status: str, events: Sequence[UsageEvent]) -> None:
    """Count a committed turn and its calls."""
    TURNS.labels(mode, status).inc()
    for event in events:
        names = (event.provider, event.model_asked)
        CALLS.labels(*names, event.purpose, event.status).inc()
        for bucket in BUCKETS:
            TOKENS.labels(*names, bucket).inc(getattr(event, f"{bucket}_tokens"))
        if event.cost_pico is not None:
            COST.labels(*names).inc(float(pico_to_usd(event.cost_pico)))
        if event.first_token_ms is not None:
            FIRST_TOKEN.labels(*names).observe(event.first_token_ms / 1000)
