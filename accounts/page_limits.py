"""How often somebody may do something on a page that costs others: counted in Django's cache, in fixed windows."""

from __future__ import annotations

import math
import time

from django.core.cache import cache

from accounts.models import User
from pantheon.errors import PantheonError


def use_count(user: User, what: str, *, limit: int, window_s: int) -> None:
    """Count a use. Raises `rate_limited`, which says when the next window begins."""
    window, gone_s = divmod(time.time(), window_s)
    key = f"page-{what}-{user.pk}-{int(window)}"
    cache.add(key, 0, timeout=window_s)
    try:
        count = cache.incr(key)
    except ValueError:  # it made room for another since the line above
        cache.set(key, count := 1, timeout=window_s)
    if count > limit:
        wait_s = max(1, math.ceil(window_s - gone_s))
        raise PantheonError(
            "rate_limited",
            f"This was done {limit} times just now. Try again in {wait_s} s.",
            {"retry_after_s": wait_s},
            headers={"Retry-After": str(wait_s)},
        )
