"""Writes on cookie sessions, Django's rows of who is signed in in which browser."""

from __future__ import annotations

from django.contrib.sessions.models import Session
from django.utils import timezone

AT_ONCE = 1000
"""Rows of one statement: Django's own `clearsessions` locks all that it deletes until the last one is gone."""


def cookie_sessions_clear(*, at_once: int = AT_ONCE) -> int:
    """Delete the sessions that have expired, a batch in each transaction; return how many there were."""
    expired = Session.objects.filter(expire_date__lt=timezone.now())
    deleted = 0
    while keys := list(expired.order_by("expire_date").values_list("pk", flat=True)[:at_once]):
        # Once more whether they have expired: somebody may have signed in with one since.
        deleted += expired.filter(pk__in=keys).delete()[0]
    return deleted
