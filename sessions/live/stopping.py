"""Whether this process is stopping: streams then end cleanly, and readers resume elsewhere.

The web server's configuration sets the check; without one the process never stops early.
"""

from __future__ import annotations

from collections.abc import Callable

_check: Callable[[], bool] = lambda: False  # noqa: E731


def stopping() -> bool:
    return _check()


def set_stop_check(check: Callable[[], bool]) -> None:
    global _check
    _check = check
