"""How many event streams a user has open in this process, and their limit.

Each stream keeps a connection and a reader. The count lives as long as the generators that write the streams, so a
process that dies leaves nothing behind.
"""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from web.errors import PantheonError

RETRY_AFTER_S = 5

_open: Counter[uuid.UUID] = Counter()
_counting = threading.Lock()
"""Requests are answered by several threads; nothing blocks while it is held."""


def check_streams(user_id: uuid.UUID) -> None:
    """Raise `rate_limited` if the user has as many streams open as allowed."""
    if is_full(user_id):
        raise PantheonError(
            "rate_limited",
            f"You have {_open[user_id]} event streams open. Close some, or try again later.",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        )


def is_full(user_id: uuid.UUID) -> bool:
    limit = settings.PANTHEON_STREAMS_PER_USER
    return bool(limit) and _open[user_id] >= limit


@contextmanager
def stream_counted(user_id: uuid.UUID) -> Iterator[None]:
    """Count a stream of a user while it is open."""
    with _counting:
        _open[user_id] += 1
    try:
        yield
    finally:
        with _counting:
            _open[user_id] -= 1
            if not _open[user_id]:
                del _open[user_id]
