"""Hand a turn to whoever runs turns in this process.

Where nobody does (a management command, a shell), an accepted turn stays queued and a web process recovers it
within seconds.
"""

from __future__ import annotations

import uuid
from typing import Protocol


class Dispatcher(Protocol):
    """Runs turns, or passes them to those who do. Neither call blocks."""

    def submit(self, turn_id: uuid.UUID) -> object: ...

    def cancel(self, turn_id: uuid.UUID) -> None:
        """Stop a turn at once if it runs here; a runner elsewhere sees the flag at its next lease renewal."""
        ...


_dispatcher: Dispatcher | None = None


def use_dispatcher(dispatcher: Dispatcher | None) -> None:
    """Say who runs this process's turns. Called once, when the process starts."""
    global _dispatcher
    _dispatcher = dispatcher


def dispatch(turn_id: uuid.UUID) -> None:
    """Have an accepted turn run. Called once it is committed; recovery calls again for what nobody claimed."""
    if _dispatcher is not None:
        _dispatcher.submit(turn_id)


def cancel(turn_id: uuid.UUID) -> None:
    """Have a turn stop whose cancel is committed."""
    if _dispatcher is not None:
        _dispatcher.cancel(turn_id)
