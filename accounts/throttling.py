"""Rate limits of the API. Counts are in Django's cache: in Redis if configured, else in this process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from django.conf import settings
from django.core.cache import caches
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from accounts.models import ApiToken
from web.windows import Count, CountingCache, RateWindow

MINUTE_S, HOUR_S = 60, 3600


def caller_count(key: str, limits: Mapping[int, int], now_s: float) -> Count:
    """Count a request of a caller. `limits`: length of a window in seconds -> requests it allows."""
    cache = cast(CountingCache, caches["default"])
    return cache.count_request(f"windows-{key}", limits, round(now_s * 1000))


def caller_forget(key: str) -> None:
    """Reset a caller's count."""
    caches["default"].delete(f"windows-{key}")


class CallerThrottle(SimpleRateThrottle):
    """Limit requests per token, or per user in the browser. Limits are read at each request; 0 means no limit."""

    def __init__(self) -> None:
        """Skip DRF's constructor, which requires its own rate settings."""
        self.wait_s: int | None = None
        self.windows: list[RateWindow] = []

    def limits(self, request: Request) -> dict[int, int]:
        """Return length of a window in seconds -> requests it allows."""
        raise NotImplementedError

    def get_cache_key(self, request: Request, view: Any) -> str:
        caller = (
            f"token-{request.auth.pk}" if isinstance(request.auth, ApiToken) else f"user-{request.user.pk}"
        )
        return f"{self.scope}-{caller}"

    def allow_request(self, request: Request, view: Any) -> bool:
        limits = {window_s: limit for window_s, limit in self.limits(request).items() if limit}
        if not limits or not request.user.is_authenticated:
            return True
        count = caller_count(self.get_cache_key(request, view), limits, self.timer())
        self.wait_s, self.windows = count.wait_s, count.windows
        return count.counted

    def wait(self) -> float | None:
        return self.wait_s


class RequestThrottle(CallerThrottle):
    """Limit all requests except new turns, forks and uploads."""

    scope = "requests"

    def limits(self, request: Request) -> dict[int, int]:
        return {MINUTE_S: settings.PANTHEON_REQUESTS_PER_MINUTE}


class TurnThrottle(CallerThrottle):
    """Limit new turns and forks."""

    scope = "turns"

    def limits(self, request: Request) -> dict[int, int]:
        if isinstance(request.auth, ApiToken):
            return {
                MINUTE_S: settings.PANTHEON_TOKEN_TURNS_PER_MINUTE,
                HOUR_S: settings.PANTHEON_TOKEN_TURNS_PER_HOUR,
            }
        return {MINUTE_S: settings.PANTHEON_TURNS_PER_MINUTE, HOUR_S: settings.PANTHEON_TURNS_PER_HOUR}


class UploadThrottle(CallerThrottle):
    """Limit uploads per user, whichever token sends them: each starts a process."""

    scope = "uploads"

    def limits(self, request: Request) -> dict[int, int]:
        return {MINUTE_S: settings.PANTHEON_UPLOADS_PER_MINUTE}

    def get_cache_key(self, request: Request, view: Any) -> str:
        return f"{self.scope}-user-{request.user.pk}"


def rate_limit_headers(throttles: Iterable[CallerThrottle]) -> dict[str, str]:
    """Return the `RateLimit-*` headers of the window with the fewest requests left; {} if nothing is limited."""
    windows = [window for throttle in throttles for window in throttle.windows]
    if not windows:
        return {}
    nearest = min(windows, key=lambda window: (window.remaining, -window.reset_s))
    return {
        "RateLimit-Limit": str(nearest.limit),
        "RateLimit-Remaining": str(nearest.remaining),
        "RateLimit-Reset": str(nearest.reset_s),
    }


TURN_THROTTLES = [TurnThrottle]
UPLOAD_THROTTLES = [UploadThrottle]
