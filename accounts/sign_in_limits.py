"""How often one may try to sign in. Counts live in Django's cache: Redis where configured, else this process.

An attempt is counted before a password is looked at, by one atomic step per counter, so that many at once count too;
one that succeeds is taken back. Windows are fixed: whoever is refused knows until when, and trying on prolongs nothing.
Addresses that have no account count the same, so that the answer tells nobody which have one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

from accounts.addresses import client_address
from accounts.models import User, secret_digest
from pantheon.errors import PantheonError


def attempt_count(request: HttpRequest, *, email: str | None) -> None:
    """Count an attempt for the e-mail address (if one is given) and for the caller's. Raises `rate_limited`."""
    over = [counted(key) > limit for key, limit in counters(request, email)]
    if any(over):
        wait_s = max(1, math.ceil(window_end() - time.time()))
        minutes = math.ceil(wait_s / 60)
        raise PantheonError(
            "rate_limited",
            f"Too many attempts. Try again in {minutes} minute{'' if minutes == 1 else 's'}.",
            {"retry_after_s": wait_s},
            headers={"Retry-After": str(wait_s)},
        )


def attempt_forgive(request: HttpRequest, *, email: str) -> None:
    """Take back an attempt that succeeded: the e-mail address begins anew, the caller's has one less."""
    for key, _ in counters(request, None):
        counted(key, -1)
    for key, _ in counters(None, email):
        cache.delete(key)


def counters(request: HttpRequest | None, email: str | None) -> Iterator[tuple[str, int]]:
    """Yield keys with their limits, without those that are no limit."""
    per_email = settings.PANTHEON_SIGN_IN_ATTEMPTS_PER_EMAIL
    per_address = settings.PANTHEON_SIGN_IN_ATTEMPTS_PER_ADDRESS
    if email is not None and per_email:
        yield key_of("email", User.normalize_email(email)), per_email
    if request is not None and per_address:
        yield key_of("address", client_address(request)), per_address


def key_of(kind: str, value: str) -> str:
    """Return a counter's key, which names nobody."""
    return f"sign-in-{kind}-{secret_digest(value)}-{int(window_end())}"


def window_end() -> float:
    length_s: float = settings.PANTHEON_SIGN_IN_WINDOW_S
    return (time.time() // length_s + 1) * length_s


def counted(key: str, by: int = 1) -> int:
    timeout_s = math.ceil(settings.PANTHEON_SIGN_IN_WINDOW_S)
    cache.add(key, 0, timeout=timeout_s)
    try:
        return cache.incr(key, by)
    except ValueError:  # it expired, or made room for another, since the line above
        cache.set(key, by, timeout=timeout_s)
        return by
