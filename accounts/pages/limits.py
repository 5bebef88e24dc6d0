"""Rate limits for actions on pages."""

from __future__ import annotations

import time

from accounts.models import User
from accounts.throttling import caller_count
from web.errors import RateLimited


def throttle_page(user: User, action: str, *, limit: int, window_s: int, reason: str) -> None:
    """Count an action of a user. Raises `rate_limited` with `reason` and the time until the next one is allowed."""
    count = caller_count(f"page-{action}-{user.pk}", {window_s: limit}, time.time())
    if not count.counted:
        raise RateLimited(reason, count.windows[0].reset_s)
