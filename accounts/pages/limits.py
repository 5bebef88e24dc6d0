"""Rate limits for pages, and for actions on them."""

from __future__ import annotations

import time

from django.conf import settings

from accounts.models import User
from accounts.throttling import MINUTE_S, caller_count
from web.errors import RateLimited


def throttle_page(user: User, action: str, *, limit: int, window_s: int, reason: str) -> None:
    """Count an action of a user. Raises `rate_limited` with `reason` and the time until the next one is allowed."""
    count = caller_count(f"page-{action}-{user.pk}", {window_s: limit}, time.time())
    if not count.counted:
        raise RateLimited(reason, count.windows[0].reset_s)


def page_count(user: User) -> None:
    """Count a page against the limit of requests, apart from what the page asks the API. Raises `rate_limited`."""
    if limit := settings.PANTHEON_REQUESTS_PER_MINUTE:
        reason = "You are opening pages too quickly."
        throttle_page(user, "any", limit=limit, window_s=MINUTE_S, reason=reason)
