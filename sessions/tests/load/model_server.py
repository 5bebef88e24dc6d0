"""A model server in OpenAI's wire format that streams some words at fixed intervals, and their usage.

The model's id gives number and interval: `sim-20w-20ms`. `GET /stats` returns the requests so far, the open ones, and
the most that were open at once. Written on the bare transport, because its cost is measured along with the rest.

    python -m sessions.tests.load.model_server PORT
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, cast

import uvloop

MODEL = re.compile(r"sim-(\d+)w-(\d+)ms")
BACKLOG = 4096


def model_id(words: int, pause_ms: int) -> str:
    return f"sim-{words}w-{pause_ms}ms"


@dataclass
class Stats:
    requests: int = 0
    open: int = 0
    most_open: int = 0

    def begin(self) -> None:
        self.requests += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)


class Exchange(asyncio.Protocol):
    """A connection: one request after the other, each answered before the next is read."""

    numbers = itertools.count(1)

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:  # the client left in mid-answer
            self._timer.cancel()
            self._end()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, rest = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        size = int(length[1]) if length else 0
        if not separator or len(rest) < size:
            return
        self._received = rest[size:]
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        self._answer(method, path, rest[:size])

    def _answer(self, method: str, path: str, body: bytes) -> None:
        match method, path:
            case "GET", "/stats":
                self._send_json(200, asdict(self._stats))
            case "GET", "/v1/models":
                self._send_json(200, {"object": "list", "data": []})
            case "POST", "/v1/chat/completions":
                self._complete(json.loads(body))
            case _:
                self._send_json(404, {"error": {"message": f"unknown path {path}"}})

    def _send_json(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        head = f"HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)

    def _complete(self, request: dict[str, Any]) -> None:
        simulated = MODEL.fullmatch(request["model"])
        if simulated is None:
            return self._send_json(404, {"error": {"message": f"no model {request['model']}"}})
        words, pause_s = int(simulated[1]), int(simulated[2]) / 1000
        prompt = sum(len(str(message.get("content")).split()) for message in request["messages"])
        base = {
            "id": f"chatcmpl-{next(self.numbers):08}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": request["model"],
        }
        usage = {"prompt_tokens": prompt, "completion_tokens": words, "total_tokens": prompt + words}
        before, after = word_event(base).split(b"WORD")
        self._stats.begin()
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            + chunk(event(base, delta={"role": "assistant", "content": ""}))
        )

        def say(number: int) -> None:
            if number < words:
                self._transport.write(chunk(b"%sword%d %s" % (before, number, after)))
                self._after(pause_s, say, number + 1)
                return
            self._transport.write(
                chunk(event(base, delta={}, finish_reason="stop"))
                + chunk(b"data: " + json.dumps({**base, "choices": [], "usage": usage}).encode() + b"\n\n")
                + chunk(b"data: [DONE]\n\n")
                + b"0\r\n\r\n"
            )
            self._end()

        self._after(pause_s, say, 0)

    def _after(self, pause_s: float, say: Callable[[int], None], number: int) -> None:
        self._timer = self._loop.call_later(pause_s, say, number)

    def _end(self) -> None:
        self._timer = None
        self._stats.open -= 1


def event(base: dict[str, Any], *, delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return b"data: " + json.dumps({**base, "choices": [choice]}).encode() + b"\n\n"


def word_event(base: dict[str, Any]) -> bytes:
    """Return the event of a word with WORD in its place."""
    return event(base, delta={"content": "WORD"})


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def serve(port: int) -> None:
    stats = Stats()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Exchange(stats), "127.0.0.1", port, backlog=BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  (whoever started this waits for it)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
