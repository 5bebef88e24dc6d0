"""Whether this process is being stopped: streams end cleanly then, and readers resume elsewhere.

The web server's configuration puts its own check in; without one the process never stops early.
"""

from __future__ import annotations

from collections.abc import Callable

_check: Callable[[], bool] = lambda: False  # noqa: E731


def stopping() -> bool:
    return _check()


def set_stop_check(check: Callable[[], bool]) -> None:
    global _check
    _check = check
