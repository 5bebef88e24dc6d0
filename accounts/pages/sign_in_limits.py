"""How often one may show a password, or ask for a link. Counts live in Django's cache: Redis if configured, else here.

An attempt is counted before a password is looked at, by one atomic step per counter, so that many at once count too;
one that succeeds is taken back. Windows are fixed: whoever is refused knows until when, and trying on prolongs nothing.
Addresses that have no account count the same, so that the answer tells nobody which have one. Each purpose has its own
counters. A browser that the account knows has a counter of its own and no other: nobody else can have it refused.
Links are counted for whoever asks, not for the e-mail address: `password_link_mail` bounds in silence how many it gets.
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

Purpose = Literal["password", "link", "sign-up"]


@dataclass(frozen=True, slots=True)
class Counter:
    """Where attempts of a window are counted, and how many it takes."""

    kind: Literal["device", "email", "address"]
    key: str
    limit: int


def attempt_count(request: HttpRequest, *, purpose: Purpose, email: str | None) -> list[Counter]:
    """Count an attempt for the caller's address, and for the e-mail address if one is given. Raises `rate_limited`.

    Returns where it was counted, for `reset_attempts`.
    """
    counters = counters_of(request, purpose, email)
    over = [add_to_counter(counter.key) > counter.limit for counter in counters]
    if any(over):
        raise RateLimited("Too many attempts.", window_end() - time.time())
    return counters


def reset_attempts(counters: list[Counter]) -> None:
    """Take back an attempt that succeeded: the client's address has one less, the others start over."""
    for counter in counters:
        if counter.kind == "address":
            add_to_counter(counter.key, -1)
        else:
            cache.delete(counter.key)


def counters_of(request: HttpRequest, purpose: Purpose, email: str | None) -> list[Counter]:
    """Return what an attempt counts against, without limits that are switched off."""
    per_email = settings.PANTHEON_SIGN_IN_ATTEMPTS_PER_EMAIL
    if email is not None and (device := device_of(request, email)) is not None:
        counters = [Counter("device", key_of(purpose, "device", device), per_email)]
    else:
        per_address = settings.PANTHEON_SIGN_IN_ATTEMPTS_PER_ADDRESS
        counters = [Counter("address", key_of(purpose, "address", client_address(request)), per_address)]
        if email is not None and purpose != "link":  # or anybody could keep its owner from asking
            counters.append(
                Counter("email", key_of(purpose, "email", User.normalize_email(email)), per_email)
            )
    return [counter for counter in counters if counter.limit]


def key_of(purpose: str, kind: str, value: str) -> str:
    """Return a counter's key, which names nobody."""
    return f"attempts-{purpose}-{kind}-{secret_digest(value)}-{int(window_end())}"


def window_end() -> float:
    length_s: float = settings.PANTHEON_SIGN_IN_WINDOW_S
    return (time.time() // length_s + 1) * length_s


def add_to_counter(key: str, by: int = 1) -> int:
    timeout_s = math.ceil(settings.PANTHEON_SIGN_IN_WINDOW_S)
    cache.add(key, 0, timeout=timeout_s)
    try:
        return cache.incr(key, by)
    except ValueError:  # it expired, or made room for another, since the line above
        cache.set(key, by, timeout=timeout_s)
        return by
