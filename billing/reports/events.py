"""The events that a report sums up."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote_plus, urlencode

from django.db.models import Q
from django.urls import reverse

from accounts.models import User
from billing.days import DayRange, single_day
from billing.models import UsageEvent
from billing.reports.filters import Filters
from billing.selectors.keys import Key

LOOKUPS = {
    "team": "team_id",
    "user": "user_id",
    "room": "room_id",
    "agent": "agent_id",
    "model": "model__id__exact",
    "provider": "model__provider__id__exact",
    "mode": "mode",
    "purpose": "purpose__exact",
    "flag": "flagged",
}
"""Filter -> query parameter of the ledger's list in the administration."""


def events_of(days: DayRange, filters: Filters) -> Any:
    """Return the events of a range, newest first."""
    lookups = {LOOKUPS[name]: value for name, value in filters.having("flag", None).active().items()}
    events = UsageEvent.objects.filter(created_at__gte=days.begin, created_at__lt=days.end, **lookups)
    if filters.flag is not None:
        flagged = events.flagged(filters.flag)
        # A correction has no flags, and the moment of its call.
        events = events.filter(Q(pk__in=flagged.values("pk")) | Q(corrects__in=flagged.values("pk")))
    return events.order_by("-created_at", "id")


def events_url(days: DayRange, filters: Filters) -> str:
    """Return the URL of the ledger's list in the administration, filtered to these events."""
    query = {"created_at__gte": str(days.begin), "created_at__lt": str(days.end)}
    query |= {LOOKUPS[name]: str(value) for name, value in filters.active().items()}
    return f"{reverse('admin:billing_usageevent_changelist')}?{urlencode(query)}"


def events_urls(days: DayRange, filters: Filters, group: str) -> Callable[[Key], str]:
    """Return a function that builds the event list's URL for a row of a group; the shared part is encoded once."""
    if group == "day":
        return lambda day: events_url(single_day(day), filters)
    shared = events_url(days, filters.having(group, None))
    return lambda key: f"{shared}&{LOOKUPS[group]}={quote_plus(str(key))}"


def event_chunks(days: DayRange, filters: Filters) -> Iterator[list[UsageEvent]]:
    """Yield the events of a range in chunks, the first one small.

    Each chunk is a query that starts after the last event of the previous one, so that no cursor stays open during a
    slow download.
    """
    size, events = 200, events_of(days, filters).select_related("model")
    rest = events
    while chunk := list(rest[:size]):
        yield chunk
        last, size = chunk[-1], 2000
        rest = events.filter(created_at__lte=last.created_at).exclude(
            created_at=last.created_at, id__lte=last.pk
        )


def emails_of(events: list[UsageEvent]) -> dict[uuid.UUID, str]:
    ids = {event.user_id for event in events}
    return dict(User.objects.filter(pk__in=ids).values_list("pk", "email"))
