"""One model call over HTTP, for any wire format: open, read, time out, close, and end in exactly one event."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from typing import Any, Protocol

import httpx2

from orchestration.engine.efforts import effort_sent
from orchestration.engine.ports import Completed, Failed, ModelEvent, Opened, ReasoningDelta, TextDelta
from orchestration.engine.specs import ModelRequest, ModelSpec, UsageReport
from orchestration.gateway.error_bodies import is_error
from orchestration.gateway.errors import CutStream, ErrorEvent, Origin, TimedOut, failure
from orchestration.gateway.keys import Endpoint
from orchestration.gateway.listings import ListedModel
from orchestration.gateway.quotations import Quoted
from orchestration.gateway.served_models import OTHER_MODEL, is_requested_model
from orchestration.gateway.sse import (
    BOM,
    DONE,
    SHOWN_CHARS,
    NotAnEventStream,
    SseReader,
    clean,
    parse,
)
from orchestration.gateway.usage import NO_FIGURE, flagged

logger = logging.getLogger(__name__)

DRAIN_S = 0.1
"""How long a complete answer waits for the end of its response, so that the connection can be reused."""
MAX_ID_CHARS = 200
MAX_WHOLE_BYTES = 2 * 1024 * 1024
"""Maximum size of an answer that is one JSON object."""
PAUSE_EVERY = 50
"""Events, and pieces of the response, after which a call lets others work: thousands may arrive without a wait."""
MAX_CHUNKS, LEAST_CHUNK_BYTES = 100_000, 32
"""An answer may arrive in so many pieces however small they are."""
PIECE_CHARS = 4_000
"""Text that is passed on at once."""
MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""Maximum size of a streamed answer: each token may come with an object of its own."""
CHARS_PER_TOKEN = 32
"""Most text per allowed token: real answers have some 4 characters per token, deeply indented code some 16."""
LEAST_CHARS = 500_000
"""Text that any answer may have: some servers do not count reasoning towards the limit."""


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """The time limits of a call, and the demo's pace. Callers take the values from the settings."""

    connect_timeout_s: float = 10.0
    first_token_timeout_s: float = 120.0
    """Silence before the model begins to answer. Any bytes end it: a keep-alive shows that the server is at work."""
    between_tokens_timeout_s: float = 60.0
    """Silence in the middle of an answer. Any bytes end it, since a model may think without output."""
    total_timeout_s: float = 600.0
    demo_words_per_s: float = 25.0
    """0: no pauses."""

    def http_timeout(self) -> httpx2.Timeout:
        """Return the HTTP client's own limits, a fallback for those of `model_events`."""
        # A model may have a first-token limit of its own, which the client does not know.
        read_s = max(self.first_token_timeout_s, self.between_tokens_timeout_s, self.total_timeout_s)
        return httpx2.Timeout(read_s, connect=self.connect_timeout_s, pool=self.connect_timeout_s)


class Reader(Protocol):
    """Parses the events of one answer. Does no I/O."""

    model_served: str
    response_id: str
    """The provider's id of the answer, for responses without an id in their headers."""
    speaking: bool
    """The model has begun to answer."""
    finish_reason: str
    """Empty until the provider has sent it. From then on the answer is complete."""
    ended: bool
    """The stream is over; the rest is ignored."""

    def feed(self, payload: dict[str, Any]) -> list[ModelEvent]:
        """Process one event of the wire. Raises errors.ErrorEvent if the provider reports an error."""
        ...

    def events_of(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the events for an answer that came as a whole, empty if this is not an answer."""
        ...

    def rest(self) -> list[ModelEvent]:
        """Return the replacement for characters that are incomplete at the end of the answer."""
        ...

    def final_report(self) -> UsageReport | None:
        """Return the provider's final usage, None if it has not arrived."""
        ...


class Wire(Protocol):
    """An SDK's client for one endpoint."""

    request_id_header: str

    def fields(self, request: ModelRequest) -> Collection[str]:
        """Return the keys of request_fields.FIELDS that the request has."""
        ...

    def open(self, request: ModelRequest) -> AbstractAsyncContextManager[Any]:
        """Send the request; the context's value has the response as `http_response`."""
        ...

    def reader(self) -> Reader: ...

    async def aclose(self) -> None: ...


class ListingWire(Wire, Protocol):
    """The client of a provider kind: a wire that also lists models and reads stored usage objects."""

    def __init__(self, endpoint: Endpoint, timeout: httpx2.Timeout) -> None:
        """Create the client. Imports its SDK here, not with the module."""

    async def list_models(self) -> Mapping[str, ListedModel]:
        """Return the server's models by id. Generates nothing, so nothing is billed.

        Raises listings.NoList and the client's errors.
        """
        ...

    @staticmethod
    def total_input(raw: Mapping[str, Any]) -> int | None:
        """Return the total input in a usage object of this format, None if it has none."""
        ...


class _Deadline:
    """The time limit on the wait for the next bytes."""

    def __init__(self, config: GatewayConfig, model: ModelSpec) -> None:
        self._config = config
        self._first_token_s = model.first_token_timeout_s or config.first_token_timeout_s
        self._loop = asyncio.get_running_loop()
        now_s = self._loop.time()
        self._total_s = now_s + config.total_timeout_s
        self._silence_s = now_s + self._first_token_s
        self._speaking = False
        self.has_data = False
        """Whether any byte of the answer has arrived, including keep-alives."""

    def extend(self, *, speaking: bool) -> None:
        """Restart the wait after bytes arrived. `speaking`: they are part of the answer."""
        self._speaking = self._speaking or speaking
        silence_s = self._config.between_tokens_timeout_s if self._speaking else self._first_token_s
        self._silence_s = self._loop.time() + silence_s

    def wait(self) -> asyncio.Timeout:
        return asyncio.timeout_at(min(self._total_s, self._silence_s))

    def expired(self) -> TimedOut:
        """Return the error for the limit that expired, with the setting to raise."""
        config = self._config
        if self._total_s <= self._silence_s:
            return TimedOut(
                f"took longer than {config.total_timeout_s:g} s (PANTHEON_PROVIDER_TOTAL_TIMEOUT_S)"
            )
        if self._speaking:
            silent_s = config.between_tokens_timeout_s
            return TimedOut(f"fell silent for {silent_s:g} s (PANTHEON_PROVIDER_BETWEEN_TOKENS_TIMEOUT_S)")
        return TimedOut(
            f"did not begin to answer within {self._first_token_s:g} s: raise the model's first-token timeout, "
            "or PANTHEON_PROVIDER_FIRST_TOKEN_TIMEOUT_S"
        )


class TooMuchText(Exception):
    """The answer is far longer than its request allows. Each character is kept several times until the turn ends."""


async def model_events(
    wire: Wire, request: ModelRequest, origin: Origin, config: GatewayConfig
) -> AsyncGenerator[ModelEvent, None]:
    """Call a model: yield its events, then one Completed or Failed after the response is closed.

    CancelledError and GeneratorExit pass through; the response is closed on the way, which aborts the call upstream.
    """
    reader = wire.reader()
    deadline = _Deadline(config, request.model)
    served = ""
    opened = Opened(reasoning_effort=effort_sent(request), images_unseen=unseen_images(request))
    end: Completed | Failed
    answered = False
    received: dict[type[ModelEvent], list[str]] = {TextDelta: [], ReasoningDelta: []}
    left = max(LEAST_CHARS, CHARS_PER_TOKEN * request.max_output_tokens)
    try:
        async with AsyncExitStack() as stack:
            async with deadline.wait():
                response = (await stack.enter_async_context(wire.open(request))).http_response
            origin = replace(origin, request_id=_identifier(response.headers.get(wire.request_id_header)))
            yield replace(opened, provider_request_id=origin.request_id)
            payloads = await stack.enter_async_context(aclosing(_payloads(response, reader, deadline)))
            read = 0
            async for payload in payloads:
                events = reader.feed(payload)
                answered = True
                read += 1
                if not read % PAUSE_EVERY:
                    await asyncio.sleep(0)
                if reader.model_served != served:
                    served = reader.model_served
                    identifier = origin.request_id or _identifier(reader.response_id)
                    yield replace(opened, provider_request_id=identifier, model_served=_identifier(served))
                for event in events:
                    if not isinstance(event, (TextDelta, ReasoningDelta)):
                        yield event
                        continue
                    async for piece in _pieces(event.text[:left]):
                        received[type(event)].append(piece)
                        yield type(event)(piece)
                    left -= len(event.text)
                    if left < 0:
                        raise TooMuchText
        # A response can also end cleanly in the middle of an answer, for example if a proxy closes it.
        if not reader.finish_reason:
            raise CutStream
        end = Completed(_final_report(reader, request.model), reader.finish_reason)
    except Exception as error:  # noqa: BLE001 - any provider error is data: it is logged and named there
        refusal = getattr(error, "response", None)
        texts = Quoted((*origin.texts, *map("".join, received.values())))
        origin = replace(origin, sent=wire.fields(request), texts=texts)
        if isinstance(refusal, httpx2.Response):
            origin = replace(origin, request_id=_identifier(refusal.headers.get(wire.request_id_header)))
            yield replace(opened, provider_request_id=origin.request_id)
        broke = deadline.expired() if isinstance(error, TimeoutError) else error
        if not isinstance(error, ErrorEvent):
            answered = deadline.has_data
        # In a thread: looking for quotations of a long conversation takes a while.
        end = await asyncio.to_thread(_end_after, broke, reader, origin, answered=answered)
    for event in reader.rest():
        yield event
    yield end


def unseen_images(request: ModelRequest) -> int:
    """Return the number of images that are left out of a request because the server refuses them."""
    if request.model.takes_images:
        return 0
    return sum(len(message.images) for message in request.messages)


async def _pieces(text: str) -> AsyncGenerator[str, None]:
    """Yield a text in pieces, letting others work in between: a delta may be large, and readers parse each."""
    for start in range(0, len(text), PIECE_CHARS):
        if start:
            await asyncio.sleep(0)
        yield text[start : start + PIECE_CHARS]


async def _payloads(
    response: httpx2.Response, reader: Reader, deadline: _Deadline
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the events of a response until it ends or the reader is done."""
    events = SseReader()
    content_type = response.headers.get("content-type", "")
    is_stream = "event-stream" in content_type
    start = b""
    try:
        async with aclosing(_chunks(response, reader, deadline)) as chunks:
            async for chunk in chunks:
                start = start or chunk.removeprefix(BOM).lstrip()
                if start[:1] in (b"{", b"[", b"<") and not events.payloads:
                    async for payload in _whole(start, chunks, reader):
                        yield payload
                    return
                for text in events.feed(chunk):
                    if text == DONE:
                        reader.ended = True
                    else:
                        yield parse(text)
        if not reader.ended:
            for text in events.finish():
                if text != DONE:
                    yield parse(text)
        if not events.payloads and not is_stream:
            raise NotAnEventStream(f"no events in a response of type {content_type}")
    except NotAnEventStream as error:
        error.from_start = error.from_start or (not events.payloads and not is_stream)
        raise


async def _chunks(
    response: httpx2.Response, reader: Reader, deadline: _Deadline
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of a response within the time limits, then read what follows a complete answer."""
    encoding = response.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise NotAnEventStream(f"a response with the content-encoding {encoding[:SHOWN_CHARS]}")
    size = number = 0
    async with aclosing(response.aiter_bytes()) as chunks:
        while not reader.ended:
            async with deadline.wait():
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            size += len(chunk)
            number += 1
            if not number % PAUSE_EVERY:
                await asyncio.sleep(0)
            if number > MAX_CHUNKS and size < LEAST_CHUNK_BYTES * number:
                raise NotAnEventStream(f"an answer in more than {MAX_CHUNKS} tiny pieces")
            if size > MAX_ANSWER_BYTES:
                raise NotAnEventStream(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
            deadline.has_data = deadline.has_data or bool(chunk)
            yield chunk
            deadline.extend(speaking=reader.speaking)
        await _drain(chunks)


async def _whole(
    start: bytes, chunks: AsyncGenerator[bytes, None], reader: Reader
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the events of a response that is one JSON object: an answer as a whole, or an error."""
    body = bytearray(start)
    async for chunk in chunks:
        body += chunk
        if len(body) > MAX_WHOLE_BYTES or start[:1] == b"<":
            break
    try:
        answer = parse(body.decode("utf-8", "surrogateescape"))
        found = [answer] if is_error(answer) else reader.events_of(answer)
        if not found:
            raise NotAnEventStream(f"a JSON object with {', '.join(sorted(answer))[:SHOWN_CHARS]}")
    except NotAnEventStream as error:
        error.from_start = True
        raise
    for payload in found:
        yield payload


async def _drain(chunks: AsyncGenerator[bytes, None]) -> None:
    """Read the rest of a complete answer, since the connection can be reused only after that."""
    try:
        async with asyncio.timeout(DRAIN_S):
            async for _ in chunks:
                pass
    except (TimeoutError, httpx2.HTTPError) as error:
        logger.debug("a response did not end with its answer: %s", type(error).__name__)


def _final_report(reader: Reader, model: ModelSpec) -> UsageReport:
    """Return the usage of a complete answer, flagged if another model than the requested one has answered."""
    report = reader.final_report() or NO_FIGURE
    return report if is_requested_model(model, reader.model_served) else flagged(report, (OTHER_MODEL,))


def _end_after(error: Exception, reader: Reader, origin: Origin, *, answered: bool) -> Completed | Failed:
    """Return the end of a broken call: Completed if the provider had already sent a finish reason, else Failed."""
    if isinstance(error, TooMuchText):
        origin.log(logging.WARNING, "ended", "the answer is far longer than its request allows")
        return Completed(_final_report(reader, origin.model), reader.finish_reason or "length")
    if reader.finish_reason and not isinstance(error, ErrorEvent):
        origin.log(logging.WARNING, "broke after the answer was whole", f"{type(error).__name__}: {error}")
        return Completed(_final_report(reader, origin.model), reader.finish_reason)
    return failure(error, origin, reader.final_report(), answered=answered)


def _identifier(value: str | None) -> str:
    """Return a provider's id or model name in a form that can be stored."""
    return clean(value or "")[:MAX_ID_CHARS]
