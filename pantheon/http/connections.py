"""Connections that send slowly are ended. gunicorn's worker bounds how long one is idle between requests, no more.

A body is bounded by `pantheon.http.body_limit`, which sees it arrive.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol

MAX_CONNECTIONS = 4_000
"""Event streams, mostly."""
OTHER_FILES = 256
"""Files and sockets that a process needs besides: the database, providers, Redis, bodies."""


def connections_allowed() -> int:
    """Raise the number of files that this process may open as far as it can, and return how many connections it takes.

    With all of its files open, nothing else would work. The lower limit is for programs that call `select`.
    """
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    return MAX_CONNECTIONS if files < 0 else max(1, min(MAX_CONNECTIONS, files - OTHER_FILES))


class BoundedConnection(ASGIProtocol):
    """A connection of gunicorn's worker, refused where there are too many.

    For `head_s` a new one may be silent, and as long may a request's head take from its first byte on.
    """

    def __init__(self, worker: Any, *, head_s: float) -> None:
        super().__init__(worker)
        self.head_s = head_s
        self._head_timer: asyncio.TimerHandle | None = None
        self._begun = False
        """A head has begun to arrive."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self.worker.nr_conns > self.worker.worker_connections:
            self._send_error_response(503, "Too many connections.\n")
            self._end()
            return
        self._head_timer = self.worker.loop.call_later(self.head_s, self._head_is_late)

    def data_received(self, data: bytes) -> None:
        if self._awaits_head():
            self._begun = True
            if self._head_timer is None:
                self._head_timer = self.worker.loop.call_later(self.head_s, self._head_is_late)
        super().data_received(data)
        if not self._awaits_head():
            self._cancel_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_head_timer()
        super().connection_lost(exc)

    def _awaits_head(self) -> bool:
        return self._current_request is None and not self._closed

    def _cancel_head_timer(self) -> None:
        self._begun = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._begun:
            self._send_error_response(408, "The request took too long to arrive.\n")
        self._end()

    def _end(self) -> None:
        """Close, and wake what waits for a request; gunicorn ends idle connections in the same way."""
        self._keepalive_timeout()
