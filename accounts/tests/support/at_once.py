"""Real concurrency for tests: run actions at the same time in several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

R = TypeVar("R")


def at_once(*actions: Callable[[], R]) -> Sequence[R | Exception]:
    """Start all actions at once, each with its own connection; return their results or exceptions."""
    barrier = threading.Barrier(len(actions))

    def act(action: Callable[[], R]) -> R | Exception:
        try:
            connections["default"].ensure_connection()
            barrier.wait(timeout=30)
            return action()
        except Exception as error:  # noqa: BLE001  (the test looks at it)
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=len(actions)) as threads:
        return list(threads.map(act, actions))
