"""Cookie sessions that end when a test says so."""

from __future__ import annotations

import datetime as dt

from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import get_random_string


def cookie_session(*, expires_in_s: float) -> Session:
    ends = timezone.now() + dt.timedelta(seconds=expires_in_s)
    return Session.objects.create(session_key=get_random_string(32), session_data="", expire_date=ends)
