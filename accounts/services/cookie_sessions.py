"""Writes on cookie sessions: Django's rows that keep browsers signed in."""

from __future__ import annotations

from django.contrib.sessions.models import Session
from django.utils import timezone

AT_ONCE = 1000
"""Rows per statement. Django's own `clearsessions` deletes all in one, and keeps them locked until the end."""


def cookie_sessions_clear(*, at_once: int = AT_ONCE) -> int:
    """Delete expired sessions, one batch per transaction; return their number."""
    expired = Session.objects.filter(expire_date__lt=timezone.now())
    deleted = 0
    while keys := list(expired.order_by("expire_date").values_list("pk", flat=True)[:at_once]):
        # `expired` again: a session may have been renewed since its key was read.
        deleted += expired.filter(pk__in=keys).delete()[0]
    return deleted
