"""Start and stop of a serving process.

The web server cuts open responses after its graceful timeout, so code that streams or waits checks `is_stopping`. In
processes without a server (management commands, tests) it is always False.
"""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Protocol

logger = logging.getLogger(__name__)


class Worker(Protocol):
    """The part of gunicorn's worker that is used here."""

    alive: bool


_worker: Worker | None = None
_callbacks: list[Callable[[], object]] = []
_stopped = threading.Event()
_lock = threading.Lock()


def freeze_after_startup() -> None:
    """Exempt all objects loaded so far from garbage collection. Call once, when loading is complete.

    A full collection would traverse them every time: 90 ms in which no stream advances.
    """
    import_module("pantheon.urls")  # else loaded by the first request, after the freeze
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def set_worker(worker: Worker) -> None:
    """Register this process's gunicorn worker."""
    global _worker
    _worker = worker


def is_stopping() -> bool:
    """Return whether this process is shutting down. Cheap enough for a loop."""
    return _stopped.is_set() or (_worker is not None and not _worker.alive)


def on_stop(callback: Callable[[], object]) -> None:
    """Register a callback for the stop of this process; call it at once if it is already stopping.

    Callbacks run once, in a thread where they may block, for example to hand work over. The process waits for them,
    within the graceful timeout.
    """
    with _lock:
        if not _stopped.is_set():
            _callbacks.append(callback)
            return
    callback()


def stop() -> None:
    """Run the callbacks in reverse order of registration. Blocks; a second call returns at once."""
    with _lock:
        if _stopped.is_set():
            return
        _stopped.set()
        callbacks = _callbacks[::-1]
    for callback in callbacks:
        try:
            callback()
        except Exception:  # a failing callback must not prevent the others
            logger.exception("a stop callback failed")
