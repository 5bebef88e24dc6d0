"""What runs and what fails, for the front page of the administration."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from django.db.models import Count, Max, Min, Q
from django.utils import timezone

from sessions.models import Call, Turn

FAILED_WITHIN = dt.timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Queue:
    """The turns that are not over."""

    running: int
    queued: int
    oldest_queued: dt.datetime | None


@dataclass(frozen=True, slots=True)
class FailingProvider:
    """A provider with calls that failed within FAILED_WITHIN."""

    provider_id: uuid.UUID
    name: str
    failed: int
    last: dt.datetime


def queue_now() -> Queue:
    """Return the turns that run and wait: one statement over the index of active turns."""
    is_queued = Q(status=Turn.Status.QUEUED)
    counts = Turn.objects.active().aggregate(
        running=Count("pk", filter=~is_queued),
        queued=Count("pk", filter=is_queued),
        oldest=Min("created_at", filter=is_queued),
    )
    return Queue(counts["running"], counts["queued"], counts["oldest"])


def list_failing_providers(limit: int) -> list[FailingProvider]:
    """Return the providers with failed calls, the most failures first: one statement over the index of failed calls."""
    failed = Call.objects.filter(
        status=Call.Status.FAILED, started_at__gte=timezone.now() - FAILED_WITHIN
    ).order_by()
    rows = (
        failed.values("model__provider", "model__provider__name")
        .annotate(failed=Count("pk"), last=Max("started_at"))
        .order_by("-failed", "model__provider__name")[:limit]
    )
    return [
        FailingProvider(row["model__provider"], row["model__provider__name"], row["failed"], row["last"])
        for row in rows
    ]
