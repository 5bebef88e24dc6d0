"""For any bytes on the wire, a call ends in exactly one event and its response is closed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.engine.ports import Completed, Failed, ModelEvent
from orchestration.engine.specs import ModelRequest
from orchestration.gateway.anthropic_messages import MessagesReader
from orchestration.gateway.errors import Origin
from orchestration.gateway.openai_chat import ChatReader
from orchestration.gateway.streaming import Reader, model_events
from orchestration.tests.gateway import KEY, QUICK, one_end, request, spec

READERS: dict[str, type[Any]] = {"openai": ChatReader, "anthropic": MessagesReader}


class Body(httpx2.AsyncByteStream):
    """A response's body: these chunks, then optionally an error."""

    def __init__(self, chunks: list[bytes], error: Exception | None) -> None:
        self.chunks = chunks
        self.error = error
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
        if self.error:
            raise self.error

    async def aclose(self) -> None:
        self.closed = True


class Canned:
    """A wire with a fixed response."""

    request_id_header = "x-request-id"

    def __init__(self, kind: str, body: Body, content_type: str) -> None:
        self._kind = kind
        self._body = body
        self._content_type = content_type

    @asynccontextmanager
    async def open(self, _: Any) -> AsyncIterator[Any]:
        response = httpx2.Response(200, headers={"content-type": self._content_type}, stream=self._body)
        self.http_response = response
        try:
            yield self
        finally:
            await response.aclose()

    def fields(self, request: ModelRequest) -> frozenset[str]:
        return frozenset()

    def reader(self) -> Reader:
        reader: Reader = READERS[self._kind]()
        return reader

    async def aclose(self) -> None:
        pass


async def call(kind: str, body: Body, content_type: str = "text/event-stream") -> list[ModelEvent]:
    asked = request(spec(kind))
    return [
        event
        async for event in model_events(
            Canned(kind, body, content_type), asked, Origin(asked.model, KEY), QUICK
        )
    ]


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(), SCALARS, max_size=3)
EVENT_TYPES = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "message_delta",
    "message_stop",
    "ping",
]
WORDS = {
    "type": [*EVENT_TYPES, "error", "text_delta", "thinking_delta", "text"],
    "finish_reason": ["stop", "length", "content_filter", "error", "tool_calls"],
    "stop_reason": ["end_turn", "max_tokens", "refusal"],
}
NAMES = [
    *[
        "choices",
        "delta",
        "content",
        "reasoning",
        "reasoning_content",
        "refusal",
        "index",
        "model",
        "id",
        "error",
    ],
    *[
        "message",
        "content_block",
        "text",
        "thinking",
        "usage",
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
    ],
    *["prompt_tokens_details", "input_tokens", "output_tokens", "cache_creation", *WORDS],
]


def likely(depth: int) -> st.SearchStrategy[Any]:
    """Return objects made of the words of both wire formats, in any order and of any type."""
    inner = VALUES if depth == 0 else likely(depth - 1) | VALUES
    fields = st.lists(
        st.sampled_from(NAMES).flatmap(
            lambda name: st.tuples(
                st.just(name), st.sampled_from(WORDS[name]) | inner if name in WORDS else inner
            )
        ),
        max_size=5,
    ).map(dict)
    return fields | st.lists(fields, max_size=2)


EVENTS = likely(3).map(lambda value: b"data: " + json.dumps(value).encode() + b"\n\n")
GOOD = {
    "openai": [
        b'data: {"model":"m","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n',
        b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
        b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}\n\n',
        b"data: [DONE]\n\n",
    ],
    "anthropic": [
        b'data: {"type":"message_start","message":{"model":"m","usage":{"input_tokens":1,"output_tokens":1}}}\n\n',
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}\n\n',
        b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}\n\n',
        b'data: {"type":"message_stop"}\n\n',
    ],
}
PIECES = EVENTS | st.sampled_from([*GOOD["openai"], *GOOD["anthropic"]]) | st.binary(max_size=20)
ERRORS = st.sampled_from(
    [
        None,
        httpx2.ReadError(""),
        httpx2.RemoteProtocolError(""),
        httpx2.ReadTimeout(""),
        OSError(),
        RuntimeError(),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["openai", "anthropic"]), st.lists(PIECES, max_size=8), ERRORS)
def test_any_stream_ends_in_exactly_one_event(
    kind: str, chunks: list[bytes], error: Exception | None
) -> None:
    body = Body(chunks, error)
    events = asyncio.run(call(kind, body))
    assert one_end(events)
    assert body.closed


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
@pytest.mark.parametrize("kept", [0, 1, 2, 3, 4])
async def test_every_beginning_of_a_good_stream(kind: str, kept: int) -> None:
    events = await call(kind, Body(GOOD[kind][:kept], None))
    whole = kept >= {"openai": 2, "anthropic": 3}[kind]
    assert isinstance(events[-1], Completed if whole else Failed)


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_a_bug_of_ours_is_an_end_too(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, payload: Any) -> list[ModelEvent]:
        raise AttributeError("a bug")

    monkeypatch.setattr(READERS[kind], "feed", broken)
    events = await call(kind, Body(GOOD[kind], None))
    assert isinstance(events[-1], Failed)
    assert (events[-1].code, events[-1].may_have_cost) == ("provider_error", True)


async def test_identifiers_can_be_stored() -> None:
    payload = json.dumps({"id": "i\0d", "model": "m\ud800" * 200, "choices": []})
    events = await call("openai", Body([f"data: {payload}\n\n".encode()], None))
    assert repr(events).count("\\ud800") == 0
    assert all(len(getattr(event, "model_served", "")) <= 200 for event in events)
