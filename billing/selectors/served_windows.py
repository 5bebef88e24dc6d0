"""The context windows of servers as their newest calls show them: refusals as too long, and silently cut input."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from billing.models import UsageEvent
from billing.models.bucket_columns import TOKENS
from orchestration.engine.call_state import CONTEXT_LIMIT, INPUT_CUT

NEWEST = 1_000
"""Number of events that are read, so that the time does not grow with the ledger."""


@dataclass(frozen=True, slots=True)
class ServedWindow:
    """The newest call that a model's server cut or refused because of its length."""

    at: dt.datetime
    tokens: int
    """Tokens that the server accepts, or read of a longer input."""
    is_cut: bool


def served_windows(model_id: uuid.UUID | None = None) -> dict[uuid.UUID, ServedWindow]:
    """Return model -> what its newest calls show; without models whose servers have read more input since."""
    events = UsageEvent.objects.order_by("-created_at").only("model_id", "created_at", "flags", *TOKENS)
    if model_id is not None:
        events = events.filter(model=model_id)
    found: dict[uuid.UUID, ServedWindow] = {}
    read: dict[uuid.UUID, int] = {}
    for event in events[:NEWEST]:
        model, size = event.model_id, event.usage.total_input
        window = window_in(event)
        if window is None:
            read[model] = max(read.get(model, 0), size)
        elif model not in found and window.tokens >= read.get(model, 0):
            found[model] = window
    return found


def window_in(event: UsageEvent) -> ServedWindow | None:
    """Return what a call shows about its server's context window, None if nothing."""
    for flag in event.flags:
        name, _, figure = flag.partition(":")
        if name == INPUT_CUT:
            return ServedWindow(event.created_at, event.usage.total_input, is_cut=True)
        if name == CONTEXT_LIMIT:
            return ServedWindow(event.created_at, int(figure), is_cut=False)
    return None
