"""What requests do that blocks runs on a few threads that all of them share.

Django on its own starts a thread for each request and keeps it until the last byte of the answer is sent: one idle
thread for each open event stream.
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
    """An ASGI application whose synchronous parts (views, most of all) run on `threads` threads, a connection each.

    Two parts of one request may run on two threads. Nothing of ours or of Django's minds: what is bound to a thread is
    its connection, and no transaction reaches over the end of a part.
    """

    def __init__(self, app: Application, threads: int) -> None:
        self.app = app
        self._threads = DatabaseThreads(threads, "request")
        # They would go to a thread twice for each request, to look after connections that DatabaseThreads looks after.
        signals.request_started.disconnect(reset_queries)
        signals.request_started.disconnect(close_old_connections)
        signals.request_finished.disconnect(close_old_connections)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with ThreadSensitiveContext(executor=self._threads):
            await self.app(scope, receive, send)
