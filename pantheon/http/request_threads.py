"""Run the blocking work of all requests on a few shared threads.

Django itself would start a thread per request and keep it until the response ends: an idle thread per event stream.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import ThreadSensitiveContext
from django.core import signals
from django.db import close_old_connections, reset_queries

from sessions.live.database import DatabaseThreads

Application = Callable[[Any, Any, Any], Awaitable[None]]


class SharedThreads:
    """ASGI wrapper that runs synchronous code, such as views, on `threads` threads with a database connection each.

    Parts of one request may run on different threads. This is safe: only the connection is bound to a thread, and no
    transaction spans two parts.
    """

    def __init__(self, app: Application, threads: int) -> None:
        self.app = app
        self._threads = DatabaseThreads(threads, "request")
        # DatabaseThreads manages its connections; these handlers would cost two thread hops per request.
        signals.request_started.disconnect(reset_queries)
        signals.request_started.disconnect(close_old_connections)
        signals.request_finished.disconnect(close_old_connections)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with ThreadSensitiveContext(executor=self._threads):
            await self.app(scope, receive, send)
