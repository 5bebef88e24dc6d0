"""Anthropic's Messages API.

The SDK sends the request; its stream is parsed here as plain JSON, as for the other wire format. Shapes: Anthropic,
"Streaming messages", "Structured outputs" and "Prompt caching".
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx2

from orchestration.engine.efforts import effort_sent
from orchestration.engine.ports import ModelEvent, PartialUsage, ReasoningDelta, TextDelta
from orchestration.engine.specs import ModelRequest, Usage, UsageReport
from orchestration.gateway.anthropic_thinking import is_thinking, thinking_fields
from orchestration.gateway.connections import ProviderClient
from orchestration.gateway.error_bodies import is_error
from orchestration.gateway.errors import ErrorEvent
from orchestration.gateway.keys import Endpoint
from orchestration.gateway.listings import ListedModel, models_listed
from orchestration.gateway.request_fields import Content, conversation_of, fields_of
from orchestration.gateway.sse import TextJoiner
from orchestration.gateway.usage import (
    CACHE_CREATION_KEYS,
    USAGE_FELL,
    UsageFigures,
    flagged,
    readable,
    split_writes,
    tier_flags,
)

FINISH_REASONS = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}
"""Every other stop reason is a stop."""


class AnthropicMessages:
    """A client for one endpoint."""

    request_id_header = "request-id"

    def __init__(self, endpoint: Endpoint, timeout: httpx2.Timeout) -> None:
        import anthropic  # takes a second and 40 MB: imported only when used

        self._client = anthropic.AsyncAnthropic(
            api_key=endpoint.key,
            base_url=endpoint.base_url,
            max_retries=0,
            timeout=timeout,
            # Message texts must not be in traces.
            open_telemetry=False,
            http_client=ProviderClient(timeout),
        )
        # ANTHROPIC_CUSTOM_HEADERS may be meant for a different server.
        self._client._custom_headers = {}

    def fields(self, request: ModelRequest) -> frozenset[str]:
        return fields_of(request_body(request), request)

    @asynccontextmanager
    async def open(self, request: ModelRequest) -> AsyncIterator[Any]:
        """Send the request; the context's value has the response as `http_response`."""
        create: Any = self._client.messages.with_streaming_response.create
        body = request_body(request)
        # The whole body as `extra_body`: the SDK walks through its arguments message by message.
        response: AbstractAsyncContextManager[Any] = create(
            model=body["model"],
            messages=[],
            max_tokens=request.max_output_tokens,
            stream=body["stream"],
            extra_body=body,
        )
        async with response as opened:
            # The SDK keeps the body until the answer ends; images in it are large.
            body["messages"].clear()
            yield opened

    async def list_models(self) -> dict[str, ListedModel]:
        return models_listed((await self._client.models.with_raw_response.list(limit=1000)).http_response)

    @staticmethod
    def total_input(raw: Mapping[str, Any]) -> int | None:
        figures = UsageFigures(raw, {})
        if (fresh := figures.count("input_tokens")) is None:
            return None
        writes = split_writes(figures, figures.count("cache_creation_input_tokens"))
        return fresh + (figures.count("cache_read_input_tokens") or 0) + sum(writes)

    def reader(self) -> MessagesReader:
        return MessagesReader()

    async def aclose(self) -> None:
        await self._client.close()


def request_body(request: ModelRequest) -> dict[str, Any]:
    """Return the request's JSON, without the fields that the server refuses."""
    model = request.model
    refused = model.unsupported
    system, messages = conversation_of(request)
    messages = [{**message, "content": content_of(message["content"], request)} for message in messages]
    body: dict[str, Any] = {
        "model": model.model_id,
        "messages": messages,
        "max_tokens": request.max_output_tokens,
        "stream": "stream" not in refused,
    }
    if system:
        body["system"] = system
    thinking = thinking_fields(model.model_id, effort_sent(request), request.max_output_tokens)
    if "thinking" in refused:
        thinking.pop("thinking", None)
    body |= thinking
    if request.temperature is not None and model.temperature and not is_thinking(thinking):
        body["temperature"] = request.temperature
    if request.json_schema is not None and model.json_schema and "output_config" not in refused:
        form = {"format": {"type": "json_schema", "schema": request.json_schema}}
        body["output_config"] = body.get("output_config", {}) | form
    if model.prompt_caching and "cache_control" not in refused:
        body |= cached(body)
    # `output_config` is refused as the field of the schema; it may still have the effort.
    needed = ("max_tokens", "stream", "output_config")
    return {name: value for name, value in body.items() if name in needed or name not in refused}


def content_of(content: Content, request: ModelRequest) -> str | list[dict[str, Any]]:
    """Return the content of a message: text, or its blocks. Source: Anthropic, "Vision"."""
    if isinstance(content, str):
        return content
    return [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {
            "type": "image",
            "source": {
                "type": "base64",
                "media_type": part.media_type,
                "data": request.contents.get(part.id, ""),
            },
        }
        for part in content
    ]


CACHED = {"cache_control": {"type": "ephemeral"}}


def cached(body: dict[str, Any]) -> dict[str, Any]:
    """Return the system prompt and the messages of a request with marks up to where the provider caches them.

    Of the three marks, the system prompt and everything up to the speaker's last answer are the same in the next turn.
    The last message is the same too unless others answered it, whose answers are then joined to it. Source: Anthropic,
    "Prompt caching": at most four marks; what is shorter than the model's minimum is not cached, and costs nothing.
    """
    messages = list(body["messages"])
    places = [place for place, message in enumerate(messages) if message["role"] == "assistant"][-1:]
    for place in {*places, len(messages) - 1} if messages else ():
        message = messages[place]
        content = message["content"]
        blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
        if blocks[-1].get("text", "image").strip():  # a mark on an empty text is refused
            messages[place] = {**message, "content": [*blocks[:-1], {**blocks[-1], **CACHED}]}
    marked: dict[str, Any] = {"messages": messages}
    if body.get("system"):
        marked["system"] = [{"type": "text", "text": body["system"], **CACHED}]
    return marked


class MessagesReader:
    """The state of one answer."""

    def __init__(self) -> None:
        self.model_served = ""
        self.response_id = ""
        self.speaking = False
        self.finish_reason = ""
        self.ended = False
        self._text, self._thoughts = TextJoiner(), TextJoiner()
        self._usage: dict[str, Any] = {}
        self._fell = False

    def feed(self, payload: dict[str, Any]) -> list[ModelEvent]:
        """Process one event. Raises ErrorEvent. Unknown events are ignored, as the wire format requires."""
        if is_error(payload):
            raise ErrorEvent(payload)
        match payload.get("type"):
            case "content_block_delta":
                self.speaking = True
                return self._part(_object(payload, "delta"))
            case "content_block_start":
                self.speaking = True
                return self._part(_object(payload, "content_block"))
            case "message_start":
                return self._start(_object(payload, "message"))
            case "message_delta":
                return self._delta(payload)
            case "message_stop":
                self.ended = True
        return []

    @staticmethod
    def events_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the events of a whole message."""
        blocks = answer.get("content")
        if answer.get("type") != "message" or not isinstance(blocks, list):
            return []
        return [
            {"type": "message_start", "message": answer},
            *({"type": "content_block_start", "content_block": block} for block in blocks),
            {"type": "message_delta", "delta": answer, "usage": answer.get("usage")},
            {"type": "message_stop"},
        ]

    def rest(self) -> list[ModelEvent]:
        thoughts, text = self._thoughts.finish(), self._text.finish()
        return [*([ReasoningDelta(thoughts)] if thoughts else []), *([TextDelta(text)] if text else [])]

    def final_report(self) -> UsageReport | None:
        """Return the usage of the last `message_delta`, which comes with the stop reason."""
        return self._report() if self.finish_reason and self._usage else None

    def _start(self, message: dict[str, Any]) -> list[ModelEvent]:
        model, response_id = message.get("model"), message.get("id")
        self.model_served = model if isinstance(model, str) else ""
        self.response_id = response_id if isinstance(response_id, str) else ""
        # The output count of the opening is a placeholder.
        self._usage = {
            name: value
            for name, value in readable(_object(message, "usage"), USAGE_KEYS).items()
            if name != "output_tokens"
        }
        return self._partial()

    def _delta(self, payload: dict[str, Any]) -> list[ModelEvent]:
        self.speaking = True
        self._usage, fell = merged_usage(self._usage, readable(_object(payload, "usage"), USAGE_KEYS))
        self._fell = self._fell or fell
        reason = _object(payload, "delta").get("stop_reason")
        if isinstance(reason, str) and reason:
            self.finish_reason = FINISH_REASONS.get(reason, "stop")
            return []
        return self._partial()

    def _partial(self) -> list[ModelEvent]:
        if not self._usage:
            return []
        report = self._report()
        return [PartialUsage(report.usage, report.raw or {})]

    def _report(self) -> UsageReport:
        return flagged(usage_report(self._usage), (USAGE_FELL,) if self._fell else ())

    def _part(self, part: dict[str, Any]) -> list[ModelEvent]:
        """Return the events of a delta or of the opening of a block; signatures and tool input have none."""
        match part.get("type"):
            case "text_delta" | "text" if isinstance(text := part.get("text"), str):
                return [TextDelta(joined)] if (joined := self._text.feed(text)) else []
            case "thinking_delta" | "thinking" if isinstance(text := part.get("thinking"), str):
                return [ReasoningDelta(joined)] if (joined := self._thoughts.feed(text)) else []
        return []


def _object(holder: dict[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


USAGE_KEYS: Mapping[str, frozenset[str]] = {
    "": frozenset(
        {
            "input_tokens",
            "output_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
            "cache_creation",
        }
        | {"output_tokens_details", "server_tool_use", "service_tier", "inference_geo", "speed", "iterations"}
    ),
    "cache_creation": CACHE_CREATION_KEYS,
    "output_tokens_details": frozenset({"thinking_tokens"}),
}


def usage_report(raw: Mapping[str, Any]) -> UsageReport:
    """Return the report of an Anthropic usage object, whose `input_tokens` exclude cache reads and writes."""
    figures = UsageFigures(raw, USAGE_KEYS)
    fresh = figures.count("input_tokens") or 0
    read = figures.count("cache_read_input_tokens") or 0
    write_5m, write_1h = split_writes(figures, figures.count("cache_creation_input_tokens"))
    if not fresh + read + write_5m + write_1h:
        figures.flag("missing_input")
    output = figures.count("output_tokens")
    if output is None:
        figures.flag("missing_output")
    reasoning = figures.count("thinking_tokens", "output_tokens_details") or 0
    if reasoning > (output or 0):
        figures.flag("output_mismatch")
    usage = Usage(fresh, read, write_5m, write_1h, output or 0, min(reasoning, output or 0))
    flags = tier_flags(
        service_tier=raw.get("service_tier"), speed=raw.get("speed"), region=raw.get("inference_geo")
    )
    return flagged(figures.report(usage), flags)


INPUT_KEYS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation")


def merged_usage(before: Mapping[str, Any], delta: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return a usage object updated from `message_delta.usage`, and whether a count fell.

    Counts are cumulative, so the later ones count, unless they are smaller: some compatible servers send zeros last.
    """
    usage = {**before, **{name: value for name, value in delta.items() if value is not None}}
    old, new = usage_report(before).usage, usage_report(usage).usage
    fell = new.total_input < old.total_input or new.output < old.output
    if new.total_input < old.total_input:
        usage = {name: value for name, value in usage.items() if name not in INPUT_KEYS}
        usage |= {name: before[name] for name in INPUT_KEYS if name in before}
    if new.output < old.output:
        usage["output_tokens"] = before["output_tokens"]
    return readable(usage, USAGE_KEYS), fell
