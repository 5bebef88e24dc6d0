"""Requests share a few threads; those that need no thread do not wait for one."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from pantheon.http.inline_middleware import InlineHandler
from pantheon.http.request_threads import SharedThreads

pytestmark = pytest.mark.django_db(transaction=True)


async def answer(app: SharedThreads, path: str) -> tuple[int, bytes]:
    """Return status and body of a GET."""
    sent: list[dict[str, Any]] = []
    requested = False
    over = asyncio.Event()

    async def receive() -> dict[str, Any]:
        nonlocal requested
        if requested:
            await over.wait()
            return {"type": "http.disconnect"}
        requested = True
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            over.set()

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "http_version": "1.1",
        "headers": [(b"host", b"localhost")],
        "server": ("localhost", 80),
        "scheme": "http",
    }
    task = asyncio.ensure_future(app(scope, receive, send))
    await asyncio.wait(
        {task, asyncio.ensure_future(over.wait())}, return_when=asyncio.FIRST_COMPLETED, timeout=20
    )
    [start] = [message for message in sent if message["type"] == "http.response.start"]
    return start["status"], b"".join(message.get("body", b"") for message in sent)


def test_the_process_says_that_it_is_up_while_every_thread_waits() -> None:
    app, gate = SharedThreads(InlineHandler(), 1), threading.Event()
    app._threads.submit(gate.wait, 30)
    try:
        status, body = asyncio.run(answer(app, "/api/v1/health"))
    finally:
        gate.set()
    assert (status, json.loads(body)["status"]) == (200, "ok")
