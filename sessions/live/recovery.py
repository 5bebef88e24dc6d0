"""Run abandoned turns, whose process is gone, to their end in this process."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from sessions.live.runtime import Runtime
from sessions.models import Turn

POLL_EVERY_S = 0.2


def turns_without_runner() -> QuerySet[Turn]:
    """Return turns with an expired lease, and queued ones that were not claimed in time."""
    overdue = Q(dispatch_after__lte=Now()) | Q(dispatches__gt=0)
    return Turn.objects.filter(
        Q(status=Turn.Status.RUNNING, lease_expires_at__lt=Now()) | Q(overdue, status=Turn.Status.QUEUED)
    )


@dataclass(slots=True)
class Recovery:
    """The turns that this process has taken up, and those that may still prove abandoned."""

    runtime: Runtime
    submitted: set[uuid.UUID] = field(default_factory=set)
    leases: dict[uuid.UUID, dt.datetime | None] = field(default_factory=dict)
    """Turn -> its lease when first seen: a lease that is renewed belongs to a living process."""

    def run(self, timeout_s: float) -> Iterator[Turn]:
        """Yield each recovered turn once it is final; end when none is left, or at the timeout.

        Waits for leases to expire, so it also finds the turns right after a crash. Safe while other processes
        run turns, since a turn is claimed by exactly one process.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            for turn_id in turns_without_runner().order_by("created_at").values_list("pk", flat=True):
                self.submitted.add(turn_id)
                self.runtime.submit(turn_id)
            open_turns = self.open_turns()
            for turn in Turn.objects.filter(pk__in=self.submitted - open_turns).order_by("created_at"):
                self.submitted.discard(turn.pk)
                yield turn
            if not open_turns or time.monotonic() >= deadline:
                return
            time.sleep(POLL_EVERY_S)

    def open_turns(self) -> set[uuid.UUID]:
        """Return the active turns that this process took up, or that are not known to have a living runner."""
        active = dict(Turn.objects.active().values_list("pk", "lease_expires_at"))
        return {
            turn_id
            for turn_id, lease in active.items()
            if turn_id in self.submitted or lease == self.leases.setdefault(turn_id, lease)
        }
