"""How much one caller may ask for. Counts live in Django's cache: Redis where configured, else this process."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from accounts.models import ApiToken

MINUTE_S, HOUR_S = 60, 3600


@dataclass(frozen=True, slots=True)
class Window:
    """How full a window is, this request counted."""

    limit: int
    remaining: int
    reset_s: int
    """Seconds until the oldest request in it no longer counts."""


class CallerThrottle(SimpleRateThrottle):
    """Sliding windows per token, or per user in the browser. The limits are read at each request; 0 means none.

    A request counts in every window or, where one of them is full, in none: who asks too often is not kept waiting
    for longer than that.
    """

    def __init__(self) -> None:
        """Leave DRF's class-level rates alone: ours come from settings."""
        self.wait_s: float | None = None
        self.windows: list[Window] = []

    def limits(self, request: Request) -> dict[int, int]:
        """Return seconds of a window -> how many requests it takes."""
        raise NotImplementedError

    def get_cache_key(self, request: Request, view: Any) -> str:
        caller = (
            f"token-{request.auth.pk}" if isinstance(request.auth, ApiToken) else f"user-{request.user.pk}"
        )
        return f"throttle-{self.scope}-{caller}"

    def allow_request(self, request: Request, view: Any) -> bool:
        limits = {window_s: limit for window_s, limit in self.limits(request).items() if limit}
        if not limits or not request.user.is_authenticated:
            return True
        key, now = self.get_cache_key(request, view), self.timer()
        longest_s = max(limits)
        asked: list[float] = [moment for moment in self.cache.get(key, []) if moment > now - longest_s]
        within = {window_s: [moment for moment in asked if moment > now - window_s] for window_s in limits}
        waits = [
            found[-limits[window_s]] + window_s - now
            for window_s, found in within.items()
            if len(found) >= limits[window_s]
        ]
        self.wait_s = max(waits, default=None)
        counted = self.wait_s is None
        if counted:
            self.cache.set(key, [*asked, now], longest_s)
        self.windows = [
            Window(
                limit=limits[window_s],
                remaining=max(0, limits[window_s] - len(found) - counted),
                reset_s=math.ceil((found[0] if found else now) + window_s - now),
            )
            for window_s, found in within.items()
        ]
        return counted

    def wait(self) -> float | None:
        return self.wait_s


class RequestThrottle(CallerThrottle):
    """Every request but a new turn."""

    scope = "requests"

    def limits(self, request: Request) -> dict[int, int]:
        return {MINUTE_S: settings.PANTHEON_REQUESTS_PER_MINUTE}


class TurnThrottle(CallerThrottle):
    """New turns."""

    scope = "turns"

    def limits(self, request: Request) -> dict[int, int]:
        if isinstance(request.auth, ApiToken):
            return {
                MINUTE_S: settings.PANTHEON_TOKEN_TURNS_PER_MINUTE,
                HOUR_S: settings.PANTHEON_TOKEN_TURNS_PER_HOUR,
            }
        return {MINUTE_S: settings.PANTHEON_TURNS_PER_MINUTE, HOUR_S: settings.PANTHEON_TURNS_PER_HOUR}


def rate_limit_headers(throttles: Iterable[CallerThrottle]) -> dict[str, str]:
    """Return `RateLimit-*` of the window that takes the fewest requests now; nothing where there is no limit."""
    windows = [window for throttle in throttles for window in throttle.windows]
    if not windows:
        return {}
    nearest = min(windows, key=lambda window: window.remaining)
    return {
        "RateLimit-Limit": str(nearest.limit),
        "RateLimit-Remaining": str(nearest.remaining),
        "RateLimit-Reset": str(nearest.reset_s),
    }


TURN_THROTTLES = [TurnThrottle]
