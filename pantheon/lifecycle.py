"""The life of a process that serves: its begin, and whether it is about to stop.

The web server says the latter here, and whoever streams or waits listens.

The server cuts what is still open when its graceful timeout is over, so long answers have to end themselves.
Where no server reports itself (a management command, a test), nothing is ever stopping.
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
    """What the server's worker shows of itself."""

    alive: bool


_worker: Worker | None = None
_callbacks: list[Callable[[], object]] = []
_stopped = threading.Event()
_lock = threading.Lock()


def freeze_after_startup() -> None:
    """Call when all is loaded and work begins: what is here by now is never garbage.

    The collector would look through it again and again: 90 ms, in which no stream moves.
    """
    import_module("pantheon.urls")  # which the first request would load
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def set_worker(worker: Worker) -> None:
    """Remember the worker of this process, once it is ready to serve."""
    global _worker
    _worker = worker


def is_stopping() -> bool:
    """Whether this process was told to stop. Cheap: meant to be asked in a loop."""
    return _stopped.is_set() or (_worker is not None and not _worker.alive)


def on_stop(callback: Callable[[], object]) -> None:
    """Have `callback` called once when this process is told to stop, in a thread where it may block.

    The process waits for it, within the graceful timeout: this is the place to hand work over to others.
    """
    with _lock:
        if not _stopped.is_set():
            _callbacks.append(callback)
            return
    callback()


def stop() -> None:
    """Call the callbacks, the last registered first. Blocks; a second call returns at once."""
    with _lock:
        if _stopped.is_set():
            return
        _stopped.set()
        callbacks = _callbacks[::-1]
    for callback in callbacks:
        try:
            callback()
        except Exception:  # one that fails must not keep the others from being told
            logger.exception("A callback for the end of the process failed.")
