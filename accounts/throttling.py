"""How much one caller may ask for. Counts live in Django's cache: Redis where configured, else this process."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from accounts.models import ApiToken


class CallerThrottle(SimpleRateThrottle):
    """A sliding window per token, or per user in the browser. The limit is read at each request; 0 means none."""

    window_s: ClassVar[int]

    def __init__(self) -> None:
        """Leave DRF's class-level rates alone: ours come from settings."""

    def limit(self, request: Request) -> int:
        raise NotImplementedError

    def get_cache_key(self, request: Request, view: Any) -> str:
        caller = (
            f"token-{request.auth.pk}" if isinstance(request.auth, ApiToken) else f"user-{request.user.pk}"
        )
        return f"throttle-{self.scope}-{caller}"

    def allow_request(self, request: Request, view: Any) -> bool:
        self.num_requests, self.duration = self.limit(request), self.window_s
        if not self.num_requests or not request.user.is_authenticated:
            return True
        self.rate = f"{self.num_requests}/{self.window_s}s"
        return bool(super().allow_request(request, view))


class RequestThrottle(CallerThrottle):
    """Every request but a new turn."""

    scope = "requests"
    window_s = 60

    def limit(self, request: Request) -> int:
        return int(settings.PANTHEON_REQUESTS_PER_MINUTE)


class TurnsPerMinute(CallerThrottle):
    scope = "turns-minute"
    window_s = 60

    def limit(self, request: Request) -> int:
        by_token = isinstance(request.auth, ApiToken)
        return int(
            settings.PANTHEON_TOKEN_TURNS_PER_MINUTE if by_token else settings.PANTHEON_TURNS_PER_MINUTE
        )


class TurnsPerHour(CallerThrottle):
    scope = "turns-hour"
    window_s = 3600

    def limit(self, request: Request) -> int:
        by_token = isinstance(request.auth, ApiToken)
        return int(settings.PANTHEON_TOKEN_TURNS_PER_HOUR if by_token else settings.PANTHEON_TURNS_PER_HOUR)


TURN_THROTTLES = [TurnsPerMinute, TurnsPerHour]
