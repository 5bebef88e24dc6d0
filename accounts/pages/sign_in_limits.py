"""Limits on password attempts, reset links and sign-ups. Counts are in Django's cache: Redis, or this process's memory.

- An attempt is counted before the password is checked, atomically per counter, so that parallel attempts count too. A
  successful attempt is taken back.
- Windows are fixed: the error says when the window ends, and further attempts do not extend it.
- Email addresses without an account count the same, so that errors do not reveal who has one.
- Each purpose has its own counters.
- A browser that is known to the account has only a counter of its own, so that nobody else can lock it out.
- Reset links are counted per client, not per email address; `password_link_mail` silently limits those.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Literal

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

from accounts.models import User, secret_digest
from accounts.pages.devices import device_of
from web.addresses import client_address
from web.errors import RateLimited

AttemptPurpose = Literal["password", "link", "sign-up"]


@dataclass(frozen=True, slots=True)
class Counter:
    """The cache key that counts the attempts of a window, and their limit."""

    kind: Literal["device", "email", "address"]
    key: str
    limit: int


def attempt_count(request: HttpRequest, *, purpose: AttemptPurpose, email: str | None) -> list[Counter]:
    """Count an attempt per client address, and per email address if given. Raises `rate_limited`.

    Returns the counters, for `reset_attempts`.
    """
    counters = counters_of(request, purpose, email)
    over = [add_to_counter(counter.key) > counter.limit for counter in counters]
    if any(over):
        raise RateLimited("Too many attempts.", window_end() - time.time())
    return counters


def reset_attempts(counters: list[Counter]) -> None:
    """Take back a successful attempt: subtract it from the client address's counter, reset the other counters."""
    for counter in counters:
        if counter.kind == "address":
            add_to_counter(counter.key, -1)
        else:
            cache.delete(counter.key)


def counters_of(request: HttpRequest, purpose: AttemptPurpose, email: str | None) -> list[Counter]:
    """Return the counters of an attempt, without those whose limit is 0 (off)."""
    per_email = settings.PANTHEON_SIGN_IN_ATTEMPTS_PER_EMAIL
    if email is not None and (device := device_of(request, email)) is not None:
        counters = [Counter("device", key_of(purpose, "device", device), per_email)]
    else:
        per_address = settings.PANTHEON_SIGN_IN_ATTEMPTS_PER_ADDRESS
        counters = [Counter("address", key_of(purpose, "address", client_address(request)), per_address)]
        if email is not None and purpose != "link":  # else anybody could keep the owner from requesting one
            counters.append(
                Counter("email", key_of(purpose, "email", User.normalize_email(email)), per_email)
            )
    return [counter for counter in counters if counter.limit]


def key_of(purpose: str, kind: str, value: str) -> str:
    """Return a counter's cache key, in which the address or device is hashed."""
    return f"attempts-{purpose}-{kind}-{secret_digest(value)}-{int(window_end())}"


def window_end() -> float:
    length_s: float = settings.PANTHEON_SIGN_IN_WINDOW_S
    return (time.time() // length_s + 1) * length_s


def add_to_counter(key: str, by: int = 1) -> int:
    timeout_s = math.ceil(settings.PANTHEON_SIGN_IN_WINDOW_S)
    cache.add(key, 0, timeout=timeout_s)
    try:
        return cache.incr(key, by)
    except ValueError:  # expired or evicted since the line above
        cache.set(key, by, timeout=timeout_s)
        return by
