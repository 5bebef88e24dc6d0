"""How a running turn is stopped: the user's cancel interrupts model calls, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Cancelled(Exception):
    """The user cancelled the turn while a model was answering."""


class Control:
    """The cancel switch of one turn. Used from the turn's own event loop only.

    `exhausted` is a turn that died too often: no model is asked any more, what there is becomes its result.
    """

    def __init__(self, *, exhausted: bool = False) -> None:
        self.cancelled = False
        self.exhausted = exhausted
        self._tasks: set[asyncio.Task[object]] = set()

    def cancel(self) -> None:
        """Cancel: calls in flight are interrupted, no further one begins. Again changes nothing."""
        if self.cancelled:
            return
        self.cancelled = True
        for task in self._tasks:
            task.cancel()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Mark a wait that `cancel` may interrupt; it leaves the block as Cancelled.

        Only the wait itself is inside, never a journal write: what was received is always written down.
        """
        if self.cancelled:
            raise Cancelled
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if not self.cancelled:
                raise  # the runner itself is stopping
            task.uncancel()
            raise Cancelled from None
        finally:
            self._tasks.discard(task)
