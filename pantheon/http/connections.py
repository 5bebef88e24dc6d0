"""Close connections that send request heads slowly, or do not read responses. gunicorn limits neither.

`pantheon.http.body_limit` limits bodies.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol

MAX_CONNECTIONS = 4_000
"""Connections per web process, mostly event streams."""
LEAST_READ_BYTES = 64 * 1024
"""What a client must read of a response in READ_FACTOR times `head_s`, if that much waits."""
READ_FACTOR = 3
OTHER_FILES = 256
"""File descriptors reserved for the database, providers, Redis and request bodies."""


def raise_connection_limit() -> int:
    """Raise this process's limit of open files as far as allowed; return how many connections it can accept.

    Connections must leave OTHER_FILES descriptors: without any, nothing else would work either.
    """
    # The soft limit is low by default, for programs that use select(); raising it to the hard limit is allowed.
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    return MAX_CONNECTIONS if files < 0 else max(1, min(MAX_CONNECTIONS, files - OTHER_FILES))


class ResponseWatch:
    """Aborts a connection whose client hardly reads: what it has not read, an event stream say, is in memory."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, transport: asyncio.WriteTransport, wait_s: float
    ) -> None:
        self._loop, self._transport, self._wait_s = loop, transport, wait_s
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin when the write buffer is full. Nothing is added to it until it has drained."""
        self.stop()
        unsent = self._transport.get_write_buffer_size()
        self._timer = self._loop.call_later(self._wait_s, self._look, unsent)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, unsent: int) -> None:
        if unsent - self._transport.get_write_buffer_size() < LEAST_READ_BYTES:
            self._transport.abort()
        else:
            self.start()


class BoundedConnection(ASGIProtocol):
    """A connection of gunicorn's worker with a deadline for request heads; refused if there are too many.

    `head_s` limits both the silence of a new connection and the time from the first byte of a head to its last.
    """

    def __init__(self, worker: Any, *, head_s: float) -> None:
        super().__init__(worker)
        self.head_s = head_s
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_started = False
        """Whether part of a request head has arrived."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch = ResponseWatch(self.worker.loop, transport, READ_FACTOR * self.head_s)
        if self.worker.nr_conns > self.worker.worker_connections:
            self._send_error_response(503, "Too many connections.\n")
            self._end()
            return
        self._head_timer = self.worker.loop.call_later(self.head_s, self._head_is_late)

    def data_received(self, data: bytes) -> None:
        if self._awaits_head():
            self._head_started = True
            # None between the requests of a connection: the timer starts with the first byte of the next head.
            if self._head_timer is None:
                self._head_timer = self.worker.loop.call_later(self.head_s, self._head_is_late)
        super().data_received(data)
        if not self._awaits_head():
            self._cancel_head_timer()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch.start()

    def resume_writing(self) -> None:
        self._watch.stop()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_head_timer()
        self._watch.stop()
        super().connection_lost(exc)

    def _awaits_head(self) -> bool:
        return self._current_request is None and not self._closed

    def _cancel_head_timer(self) -> None:
        self._head_started = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._head_started:
            self._send_error_response(408, "The request took too long to arrive.\n")
        self._end()

    def _end(self) -> None:
        """Close the connection and wake the task that waits for a request, as gunicorn does for idle connections."""
        self._keepalive_timeout()
