"""Requests to an ASGI application, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class AsgiRequest:
    """A GET that is under way."""

    def __init__(self, app: Any, path: str, headers: dict[str, str], on_answer: Callable[[], None]) -> None:
        self._sent: list[dict[str, Any]] = []
        self._received = False
        self._over = asyncio.Event()
        self._on_answer = on_answer
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": b"",
            "http_version": "1.1",
            "headers": [
                (name.lower().encode(), value.encode())
                for name, value in {"Host": "localhost", **headers}.items()
            ],
            "server": ("localhost", 80),
            "scheme": "http",
        }
        self._task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if self._received:
            await self._over.wait()
            return {"type": "http.disconnect"}
        self._received = True
        return {"type": "http.request", "body": b""}

    async def _send(self, message: dict[str, Any]) -> None:
        self._sent.append(message)
        if message["type"] == "http.response.start":
            self._on_answer()
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self._over.set()

    @property
    def is_answered(self) -> bool:
        return bool(self._sent)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the response, as soon as it is complete."""
        complete = asyncio.ensure_future(self._over.wait())
        await asyncio.wait({self._task, complete}, return_when=asyncio.FIRST_COMPLETED, timeout=30)
        [start] = [message for message in self._sent if message["type"] == "http.response.start"]
        headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return start["status"], headers, b"".join(message.get("body", b"") for message in self._sent)


def asgi_get(
    app: Any,
    path: str,
    *,
    authorization: str = "",
    cookie: str = "",
    on_answer: Callable[[], None] = lambda: None,
) -> AsgiRequest:
    """Start a GET; `on_answer` is called when the response starts."""
    given = {"Authorization": authorization, "Cookie": cookie}
    return AsgiRequest(app, path, {name: value for name, value in given.items() if value}, on_answer)
