"""Cancellation of a running turn: it interrupts model calls and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Cancelled(Exception):
    """The user cancelled the turn while a model was answering."""


class Control:
    """The cancel switch of one turn. Used only from the turn's own event loop.

    `exhausted`: the turn has died too often. No model is called any more; the answers so far become its result.
    """

    def __init__(self, *, exhausted: bool = False) -> None:
        self.cancelled = False
        self.exhausted = exhausted
        self._tasks: set[asyncio.Task[object]] = set()
        self._parts: list[Control] = []

    def cancel(self) -> None:
        """Interrupt calls in flight and start no more. Idempotent."""
        if self.cancelled:
            return
        self.cancelled = True
        for task in self._tasks:
            task.cancel()
        for part in self._parts:
            part.cancel()

    def part(self) -> Control:
        """Return a switch for a part of the turn: `cancel` of the turn cancels it too."""
        part = Control(exhausted=self.exhausted)
        part.cancelled = self.cancelled
        self._parts.append(part)
        return part

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Mark a wait that `cancel` may interrupt; it then raises Cancelled.

        Put only the wait inside, never a journal write, so that received text is always recorded.
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
