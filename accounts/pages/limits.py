"""How often somebody may do something on a page that costs others."""

from __future__ import annotations

import time

from accounts.models import User
from accounts.throttling import caller_count
from web.errors import RateLimited


def throttle_page(user: User, what: str, *, limit: int, window_s: int, said: str) -> None:
    """Count a use of a page. Raises `rate_limited`, which says `said` and when the next use is taken."""
    count = caller_count(f"page-{what}-{user.pk}", {window_s: limit}, time.time())
    if not count.counted:
        raise RateLimited(said, count.windows[0].reset_s)
