"""Pass turns to the component that runs them in this process.

In a process without one (a management command, a shell), an accepted turn stays queued and a web process
recovers it within seconds.
"""

from __future__ import annotations

import uuid
from typing import Protocol


class Dispatcher(Protocol):
    """Runs turns, or passes them to runners. Neither call blocks."""

    def submit(self, turn_id: uuid.UUID) -> object: ...

    def cancel(self, turn_id: uuid.UUID) -> None:
        """Stop a turn at once if it runs here; a runner elsewhere sees the flag at its next lease renewal."""
        ...


_dispatcher: Dispatcher | None = None


def use_dispatcher(dispatcher: Dispatcher | None) -> None:
    """Set the dispatcher of this process. Called once, at start."""
    global _dispatcher
    _dispatcher = dispatcher


def dispatch(turn_id: uuid.UUID) -> None:
    """Dispatch an accepted turn. Called after its commit; recovery calls again for unclaimed turns."""
    if _dispatcher is not None:
        _dispatcher.submit(turn_id)


def cancel(turn_id: uuid.UUID) -> None:
    """Stop a turn whose cancellation is committed."""
    if _dispatcher is not None:
        _dispatcher.cancel(turn_id)
