"""A provider on loopback in its own thread, and its script of answers."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from orchestration.engine.specs import Usage
from orchestration.tests.providers.answers import (
    WAIT_S,
    Answer,
    Cut,
    ErrorEvent,
    Garbage,
    Hold,
    Served,
    Silence,
    count_tokens,
)
from orchestration.tests.providers.exchange import POLL_S, Broken, Exchange, HungUp

PING_S = 0.02
IMAGE_TOKENS = 1_000
"""Billed for any image."""


@dataclass
class Rule:
    """Answers for the requests that match."""

    match: str | Callable[[dict[str, Any]], bool]
    model: str | None
    answers: deque[Answer]
    always: bool

    def take(self, body: dict[str, Any], texts: str) -> Answer | None:
        """Return the next answer for this request, None if the rule does not match."""
        if not self.answers or (self.model is not None and body.get("model") != self.model):
            return None
        if not (self.match in texts if isinstance(self.match, str) else self.match(body)):
            return None
        return self.answers[0] if self.always and len(self.answers) == 1 else self.answers.popleft()


class ProviderServer:
    """Shared by both wire formats: the script, the ledger, HTTP."""

    path = ""
    """The path of model calls, after the origin."""
    models_path = ""
    """The path of the list of models."""
    base_path = ""
    request_id_header = ""

    def __init__(self) -> None:
        self.default = Answer()
        self.count_input: Callable[[str], int] = count_tokens
        """The tokenizer for billing requests whose answer has no usage."""
        self.window: int | None = None
        """The context window in tokens: a longer request is rejected in the API's own words; None: none is."""
        self.cuts_input_at: int | None = None
        """Read only this many tokens of a request, without an error."""
        self.key: str | None = None
        """The only accepted key; None: any."""
        self.models: list[str] = []
        """The models in the list."""
        self.models_answer = Answer()
        """The response to list requests: `status`, `body`, `head_gate`."""
        self.served: list[Served] = []
        self.connections = 0
        """TCP connections that clients have made so far."""
        self._rules: list[Rule] = []
        self._queue: deque[Answer] = deque()
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._port = 0
        started = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(started,), daemon=True, name=type(self).__name__
        )
        self._thread.start()
        assert started.wait(WAIT_S)

    # --- For tests ---

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        """The value for a provider's `base_url`."""
        return self.origin + self.base_path

    def queue(self, *answers: Answer) -> None:
        """Add answers, used in the order in which requests arrive."""
        self._queue.extend(answers)

    def when(
        self,
        match: str | Callable[[dict[str, Any]], bool],
        *answers: Answer,
        model: str | None = None,
        always: bool = False,
    ) -> None:
        """Add answers for requests with this text in a message or the system prompt (or matching this function)."""
        self._rules.append(Rule(match, model, deque(answers), always))

    def wait_served(self, count: int, timeout_s: float = WAIT_S) -> list[Served]:
        """Return the first `count` exchanges once they are over."""
        clock = threading.Event()
        waited = 0.0
        while len(self.served) < count:
            assert waited < timeout_s, f"{len(self.served)} requests came, {count} were expected"
            clock.wait(POLL_S)
            waited += POLL_S
        return [served.wait(timeout_s) for served in self.served[:count]]

    def close(self) -> None:
        """Stop; open connections are closed."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(WAIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- The wire: the differences between the two servers ---

    def refuse(self, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, str, str] | None:
        """Return (status, error type, message) for a request that the real API would reject."""
        raise NotImplementedError

    def output_limit(self, body: dict[str, Any]) -> int:
        return int(body.get("max_tokens") or 0)

    def too_long_message(self, size: int, output: int, window: int) -> str:
        """Return what the real API says of a request that does not fit; sizes in tokens."""
        raise NotImplementedError

    def given_key(self, headers: dict[str, str]) -> str:
        return headers.get("authorization", "").removeprefix("Bearer ")

    def request_text(self, body: dict[str, Any]) -> str:
        """Return all text of the request, for matching rules and counting tokens."""
        raise NotImplementedError

    def images(self, body: dict[str, Any]) -> list[bytes]:
        """Return the images of the request."""
        raise NotImplementedError

    def error_body(self, status: int, type_: str, message: str, request_id: str) -> dict[str, Any]:
        raise NotImplementedError

    def whole_body(self, served: Served, answer: Answer) -> dict[str, Any]:
        """Return the response to a request that does not stream."""
        raise NotImplementedError

    def opening(self, served: Served, answer: Answer) -> bytes:
        raise NotImplementedError

    def reasoning_event(self, served: Served, piece: str) -> bytes:
        raise NotImplementedError

    def text_opening(self, served: Served, answer: Answer) -> bytes:
        return b""

    def text_event(self, served: Served, piece: str) -> bytes:
        raise NotImplementedError

    def ping(self) -> bytes:
        raise NotImplementedError

    def error_event(self, served: Served, fault: ErrorEvent) -> bytes:
        raise NotImplementedError

    def closing(self, served: Served, answer: Answer) -> bytes:
        """Return the end of the stream; sets `usage_told`."""
        raise NotImplementedError

    # --- Serving ---

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._connected, "127.0.0.1", 0))
        self._port = server.sockets[0].getsockname()[1]
        started.set()
        self._loop.run_forever()
        server.close()
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._serve(reader, writer):
                pass
        except asyncio.CancelledError:
            writer.transport.abort()  # the server is being closed
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection can be reused."""
        try:
            request_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
        }
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        body = json.loads(raw) if raw else {}
        number = next(self._numbers)
        served = Served(number, request_line.split(" ")[1], headers, body, f"req_test_{number:04}")
        served.model = str(body.get("model", ""))
        exchange = Exchange(reader, writer, served)
        try:
            self.served.append(served)
            await self._answer(exchange)
            return not writer.transport.is_closing()
        except HungUp:
            served.disconnected = True
            return False
        except Broken:
            return False
        finally:
            served.finish()

    async def _answer(self, exchange: Exchange) -> None:
        served = exchange.served
        path = served.path.partition("?")[0]
        lists = path == self.base_path + self.models_path
        if path != self.base_path + self.path and not lists:
            return await self._refused(
                exchange, Answer(status=404, error_message=f"Unknown path {served.path}")
            )
        if self.key is not None and self.given_key(served.headers) != self.key:
            message = f"Incorrect API key provided: {self.given_key(served.headers)}."
            return await self._refused(exchange, Answer(status=401, error_message=message))
        if lists:
            return await self._listed(exchange, self.models_answer)
        if refusal := self.refuse(served.body, served.headers) or self._refuse_too_long(served.body):
            status, type_, message = refusal
            return await self._refused(
                exchange, Answer(status=status, error_type=type_, error_message=message)
            )
        answer = self._next_answer(served.body)
        if answer.head_gate:
            await exchange.hold(answer.head_gate)
        if answer.status >= 300:
            return await self._refused(exchange, answer)
        served.model = answer.model or served.model
        self._bill(served, answer, output=0, reasoning=0)
        if answer.body is None and not served.body.get("stream"):
            return await self._sent_whole(exchange, answer)
        await exchange.head(200, {**self._headers(served, answer), "transfer-encoding": "chunked"})
        await self._stream(exchange, answer)
        await exchange.write(b"0\r\n\r\n")

    def _refuse_too_long(self, body: dict[str, Any]) -> tuple[int, str, str] | None:
        size, output = self.count_input(self.request_text(body)), self.output_limit(body)
        if self.window is None or size + output <= self.window:
            return None
        return 400, "invalid_request_error", self.too_long_message(size, output, self.window)

    def _next_answer(self, body: dict[str, Any]) -> Answer:
        texts = self.request_text(body)
        for rule in self._rules:
            if (answer := rule.take(body, texts)) is not None:
                return answer
        return self._queue.popleft() if self._queue else self.default

    def _headers(self, served: Served, answer: Answer) -> dict[str, str]:
        return {
            "content-type": answer.content_type,
            self.request_id_header: served.request_id,
            **answer.headers,
        }

    async def _listed(self, exchange: Exchange, answer: Answer) -> None:
        if answer.head_gate:
            await exchange.hold(answer.head_gate)
        if answer.status >= 300:
            return await self._refused(exchange, answer)
        rows = {"object": "list", "data": [{"id": model, "object": "model"} for model in self.models]}
        body = answer.body if answer.body is not None else json.dumps(rows).encode()
        headers = {**self._headers(exchange.served, answer), "content-type": "application/json"}
        await exchange.whole(200, headers, body)

    async def _refused(self, exchange: Exchange, answer: Answer) -> None:
        served = exchange.served
        headers = {**self._headers(served, answer), "content-type": "application/json"}
        if answer.retry_after is not None:
            headers["retry-after"] = answer.retry_after
        error = self.error_body(answer.status, answer.error_type, answer.error_message, served.request_id)
        body = answer.body if answer.body is not None else json.dumps(error).encode()
        await exchange.whole(answer.status, headers, body)

    async def _sent_whole(self, exchange: Exchange, answer: Answer) -> None:
        served = exchange.served
        served.text = "".join(answer.pieces)
        self._bill_whole(served, answer)
        headers = {**self._headers(served, answer), "content-type": "application/json"}
        await exchange.whole(200, headers, json.dumps(self.whole_body(served, answer)).encode())
        served.whole = served.usage_told = True

    async def _stream(self, exchange: Exchange, answer: Answer) -> None:
        served = exchange.served
        if answer.body is not None:
            await exchange.chunk(answer.body)
            served.whole = True
            return
        await exchange.chunk(self.opening(served, answer))
        await exchange.pause(answer.first_delay_s)
        for piece in answer.reasoning:
            served.reasoned = True
            await exchange.chunk(self.reasoning_event(served, piece))
        reasoning = count_tokens("".join(answer.reasoning))
        self._bill(served, answer, output=reasoning, reasoning=reasoning)
        if opening := self.text_opening(served, answer):
            await exchange.chunk(opening)
        for sent, piece in enumerate(answer.pieces):
            if not await self._at(sent, exchange, answer):
                return
            await exchange.pause(answer.delay_s if sent else 0.0)
            await exchange.chunk(self.text_event(served, piece))
            served.pieces_sent += 1
            served.text += piece
            self._bill(served, answer, output=reasoning + count_tokens(served.text), reasoning=reasoning)
        if not await self._at(len(answer.pieces), exchange, answer):
            return
        self._bill_whole(served, answer)
        await exchange.chunk(self.closing(served, answer))
        served.whole = True

    async def _at(self, sent: int, exchange: Exchange, answer: Answer) -> bool:
        """Apply the fault at this place; return whether the stream continues."""
        match answer.at.get(sent):
            case Hold(gate):
                await exchange.hold(gate)
            case Cut(reset):
                await exchange.cut(reset=reset)
            case Garbage(data):
                await exchange.chunk(data)
            case ErrorEvent() as fault:
                await exchange.chunk(self.error_event(exchange.served, fault))
                return False
            case Silence(pings, lasts_s):
                ends_s = self._loop.time() + lasts_s
                while self._loop.time() < ends_s:
                    await exchange.pause(PING_S)
                    if pings:
                        await exchange.chunk(self.ping())
        return True

    def _bill(self, served: Served, answer: Answer, *, output: int, reasoning: int) -> None:
        size = self.count_input(self.request_text(served.body))
        size += IMAGE_TOKENS * len(self.images(served.body))
        base = answer.usage or Usage(input=min(size, self.cuts_input_at or size))
        served.usage = replace(base, output=output, reasoning=reasoning)

    def _bill_whole(self, served: Served, answer: Answer) -> None:
        reasoning = count_tokens("".join(answer.reasoning))
        self._bill(
            served, answer, output=reasoning + count_tokens("".join(answer.pieces)), reasoning=reasoning
        )
        if answer.usage is not None:
            served.usage = answer.usage
