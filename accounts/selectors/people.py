"""Reads about users, for the administration."""

from __future__ import annotations

import datetime as dt

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Invitation, User

RECENT = dt.timedelta(days=30)


def list_new_users(limit: int) -> QuerySet[User]:
    """Return the users who joined within RECENT, the newest first."""
    since = timezone.now() - RECENT
    return User.objects.filter(created_at__gte=since).select_related("team").order_by("-created_at")[:limit]


def open_invitation_count() -> int:
    return Invitation.objects.open().count()
