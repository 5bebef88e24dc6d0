"""OpenAI's chat completions API, for all compatible servers (OpenRouter, Gemini, Ollama, vLLM, LM Studio, ...).

The SDK sends the request; its stream is parsed here as plain JSON, since building the SDK's typed chunks costs several
times as much as all other work on a chunk, and validates less than the engine needs. Shapes: OpenAI API reference,
"The chat completion chunk object"; of usage objects also the guide "Prompt caching"; OpenRouter, "Usage accounting";
DeepSeek, "Context caching"; Google and Ollama, "OpenAI compatibility".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

import httpx2

from orchestration.engine.efforts import effort_sent
from orchestration.engine.ports import ModelEvent, PartialUsage, ReasoningDelta, TextDelta
from orchestration.engine.specs import ModelRequest, Usage, UsageReport
from orchestration.gateway.connections import ProviderClient
from orchestration.gateway.error_bodies import is_error
from orchestration.gateway.errors import ErrorEvent
from orchestration.gateway.keys import Endpoint
from orchestration.gateway.listings import ListedModel, models_listed
from orchestration.gateway.request_fields import Content, conversation_of, fields_of
from orchestration.gateway.sse import TextJoiner
from orchestration.gateway.usage import (
    CACHE_CREATION_KEYS,
    UsageFigures,
    flagged,
    merged,
    readable,
    split_writes,
    tier_flags,
)

FINISH_REASONS = {"length": "length", "max_tokens": "length", "content_filter": "content_filter"}
"""Every other finish reason is a stop, including tool calls: requests never offer tools."""
BROKEN_FINISHES = frozenset({"error", "abort"})
"""Sent by OpenRouter and vLLM for a failed answer."""
OPENAI_HOSTS = re.compile(r"(\A|\.)(openai\.com|openai\.azure\.com)\Z")
REASONING_MODELS = re.compile(r"\A(openai/)?(gpt-[5-9]|o\d)")
"""OpenAI's models that reject `max_tokens`, on any server."""


class OpenAIChat:
    """A client for one endpoint."""

    request_id_header = "x-request-id"

    def __init__(self, endpoint: Endpoint, timeout: httpx2.Timeout) -> None:
        import openai  # takes a second and 40 MB: imported only when used

        self._host = urlsplit(endpoint.base_url).hostname or ""
        self._client = openai.AsyncOpenAI(
            api_key=endpoint.key,
            base_url=endpoint.base_url,
            max_retries=0,
            timeout=timeout,
            http_client=ProviderClient(timeout),
        )
        # The SDK adds OpenAI's values from the environment, which other providers must not receive.
        self._client.organization = self._client.project = self._client.admin_api_key = None
        self._client._custom_headers = {}

    def fields(self, request: ModelRequest) -> frozenset[str]:
        return fields_of(request_body(request, self._host), request)

    @asynccontextmanager
    async def open(self, request: ModelRequest) -> AsyncIterator[Any]:
        """Send the request; the context's value has the response as `http_response`."""
        create: Any = self._client.chat.completions.with_streaming_response.create
        body = request_body(request, self._host)
        # The whole body as `extra_body`: the SDK walks through its arguments message by message.
        response: AbstractAsyncContextManager[Any] = create(
            model=body["model"], messages=[], stream=body["stream"], extra_body=body
        )
        async with response as opened:
            # The SDK keeps the body until the answer ends; images in it are large.
            body["messages"].clear()
            yield opened

    async def list_models(self) -> dict[str, ListedModel]:
        return models_listed((await self._client.models.with_raw_response.list()).http_response)

    @staticmethod
    def total_input(raw: Mapping[str, Any]) -> int | None:
        return UsageFigures(raw, {}).count("prompt_tokens")

    def reader(self) -> ChatReader:
        return ChatReader()

    async def aclose(self) -> None:
        await self._client.close()


def request_body(request: ModelRequest, host: str) -> dict[str, Any]:
    """Return the request's JSON for a server with this host name, without the fields that it refuses."""
    model = request.model
    refused = model.unsupported
    system, messages = conversation_of(request)
    messages = [{**message, "content": content_of(message["content"], request)} for message in messages]
    body: dict[str, Any] = {
        "model": model.model_id,
        "messages": [*([{"role": "system", "content": system}] if system else []), *messages],
        "stream": "stream" not in refused,
    }
    if body["stream"]:
        body["stream_options"] = {"include_usage": True}
    if request.temperature is not None and model.temperature:
        body["temperature"] = request.temperature
    if effort := effort_sent(request):
        body["reasoning_effort"] = effort
    if request.json_schema is not None and model.json_schema:
        schema = {
            "name": request.purpose,
            "schema": request.json_schema,
            "strict": is_strict(request.json_schema),
        }
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if OPENAI_HOSTS.search(host):
        body["store"] = False
        if model.prompt_caching and request.cache_key:
            # Hashed: the provider needs no ids of ours.
            body["prompt_cache_key"] = hashlib.sha256(request.cache_key.encode()).hexdigest()[:32]
    accepted = {name: value for name, value in body.items() if name == "stream" or name not in refused}
    return {**accepted, **output_limit(request, host)}


def content_of(content: Content, request: ModelRequest) -> str | list[dict[str, Any]]:
    """Return the content of a message: text, or its parts. Source: OpenAI, "Images and vision"."""
    if isinstance(content, str):
        return content
    return [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {
            "type": "image_url",
            "image_url": {"url": f"data:{part.media_type};base64,{request.contents.get(part.id, '')}"},
        }
        for part in content
    ]


def output_limit(request: ModelRequest, host: str) -> dict[str, int]:
    """Return the limit under the name that the server takes.

    If it has refused both, use the first anyway: a call without a limit could cost more than is held for it.
    """
    own = OPENAI_HOSTS.search(host) or REASONING_MODELS.match(request.model.model_id)
    names = ("max_completion_tokens", "max_tokens") if own else ("max_tokens", "max_completion_tokens")
    name = next((name for name in names if name not in request.model.unsupported), names[0])
    return {name: request.max_output_tokens}


def is_strict(schema: Any) -> bool:
    """Return whether a schema is strict for OpenAI ("Structured outputs"): closed objects, all properties required."""
    if isinstance(schema, list):
        return all(is_strict(item) for item in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object":
        required = set(schema.get("required", ()))
        if schema.get("additionalProperties") is not False or required != set(schema.get("properties", ())):
            return False
    return all(is_strict(value) for value in schema.values())


class ChatReader:
    """The state of one answer."""

    def __init__(self) -> None:
        self.model_served = ""
        self.response_id = ""
        self.speaking = False
        self.finish_reason = ""
        self.ended = False
        self._opened = False
        self._text, self._thoughts = TextJoiner(), TextJoiner()
        self._tier: Any = None
        self._report: UsageReport | None = None
        self._final = False

    def feed(self, payload: dict[str, Any]) -> list[ModelEvent]:
        """Process one chunk. Raises ErrorEvent."""
        if is_error(payload):
            raise ErrorEvent(payload)
        if not self.model_served:
            model, response_id = payload.get("model"), payload.get("id")
            self.model_served = model if isinstance(model, str) else ""
            self.response_id = response_id if isinstance(response_id, str) else ""
        self._tier = payload.get("service_tier") or self._tier
        events: list[ModelEvent] = []
        choices = payload.get("choices")
        if isinstance(choices, list) and choices:
            # Requests never ask for several.
            first = (each for each in choices if isinstance(each, dict) and each.get("index") in (0, None))
            if (choice := next(first, None)) is not None:
                self._choice(choice, events)
            # The opening chunk only names the role; some servers send it before they have read the prompt.
            self.speaking = self.speaking or self._opened or bool(events)
            self._opened = True
        for usage in usage_objects(payload):
            self._usage(usage, final=bool(self.finish_reason) or not choices, events=events)
        return events

    @staticmethod
    def events_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a whole `chat.completion` as its one chunk."""
        choices = answer.get("choices")
        if not isinstance(choices, list) or not choices:
            return []
        whole = [{**choice, "delta": choice.get("message")} for choice in choices if isinstance(choice, dict)]
        return [{**answer, "choices": whole}] if any(choice["delta"] for choice in whole) else []

    def rest(self) -> list[ModelEvent]:
        thoughts, text = self._thoughts.finish(), self._text.finish()
        return [*([ReasoningDelta(thoughts)] if thoughts else []), *([TextDelta(text)] if text else [])]

    def final_report(self) -> UsageReport | None:
        if self._report is None or not (self._final or self.finish_reason):
            return None
        return flagged(self._report, tier_flags(service_tier=self._tier))

    def _choice(self, choice: dict[str, Any], events: list[ModelEvent]) -> None:
        delta = choice.get("delta")
        if isinstance(delta, dict):
            thoughts = _text(delta.get("reasoning_content")) or _text(delta.get("reasoning"))
            thoughts += _thoughts(delta.get("content"))
            if thoughts and (thoughts := self._thoughts.feed(thoughts)):
                events.append(ReasoningDelta(thoughts))
            for name in ("content", "refusal"):
                if (text := _text(delta.get(name))) and (text := self._text.feed(text)):
                    events.append(TextDelta(text))
        finish = choice.get("finish_reason")
        if isinstance(finish, str) and finish:
            if finish in BROKEN_FINISHES:
                raise ErrorEvent(choice.get("error") or {"message": f"finish_reason {finish}"})
            self.finish_reason = FINISH_REASONS.get(finish, "stop")

    def _usage(self, usage: dict[str, Any], *, final: bool, events: list[ModelEvent]) -> None:
        """Process a usage object. Some servers send one with each chunk."""
        self._report = merged(self._report, usage_report(readable(usage, USAGE_KEYS)))
        self._final = self._final or final
        if not final:
            events.append(PartialUsage(self._report.usage, self._report.raw or {}))


def usage_objects(payload: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the usage objects of a chunk: at the top, in a choice (Kimi), in `x_groq` (Groq)."""
    choices = payload.get("choices")
    # The first and the last one.
    ends = [*choices[:1], *choices[1:][-1:]] if isinstance(choices, list) else []
    holders = [*ends, payload.get("x_groq"), payload]
    usages = [holder.get("usage") for holder in holders if isinstance(holder, dict)]
    return [usage for usage in usages if isinstance(usage, dict) and usage]


def _thoughts(content: Any) -> str:
    """Return the thoughts in a list of typed parts. Source: Mistral, "Reasoning": `thinking` is a list of parts too."""
    parts = content if isinstance(content, list) else []
    return "".join(
        _text(part.get("thinking"))
        for part in parts
        if isinstance(part, dict) and part.get("type") == "thinking"
    )


def _text(value: Any) -> str:
    """Return the text of a delta; Mistral's reasoning models send a list of typed parts."""
    if isinstance(value, list):
        return "".join(
            _text(part.get("text")) for part in value if isinstance(part, dict) and part.get("type") == "text"
        )
    return value if isinstance(value, str) else ""


MAX_COST_USD = Decimal(1_000_000)
COST_STEP = Decimal("1e-12")

USAGE_KEYS: Mapping[str, frozenset[str]] = {
    "": frozenset(
        {
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "prompt_tokens_details",
            "completion_tokens_details",
        }
        # OpenRouter
        | {
            "cost",
            "cost_details",
            "is_byok",
            "cache_creation",
            "server_tool_use",
            "service_tier",
            "iterations",
        }
        # DeepSeek, Kimi, Groq, xAI
        | {"prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "cached_tokens"}
        | {"num_sources_used", "cost_in_usd_ticks"}
        | {"queue_time", "prompt_time", "completion_time", "total_time"}
    ),
    "prompt_tokens_details": frozenset(
        {"cached_tokens", "cache_write_tokens", "audio_tokens", "text_tokens", "image_tokens", "video_tokens"}
    ),
    "completion_tokens_details": frozenset(
        {"reasoning_tokens", "audio_tokens", "text_tokens", "image_tokens"}
        | {"accepted_prediction_tokens", "rejected_prediction_tokens"}
    ),
    "cache_creation": CACHE_CREATION_KEYS,
}


def usage_report(raw: Mapping[str, Any]) -> UsageReport:
    """Return the report of an OpenAI-shaped usage object, whose `prompt_tokens` include cached tokens."""
    figures = UsageFigures(raw, USAGE_KEYS)
    prompt = figures.count("prompt_tokens")
    completion = figures.count("completion_tokens")
    total = figures.count("total_tokens")
    read = figures.count("cached_tokens", "prompt_tokens_details")
    for name in ("prompt_cache_hit_tokens", "cached_tokens"):
        read = figures.count(name) if read is None else read
    read = read or 0
    written = figures.count("cache_write_tokens", "prompt_tokens_details") or 0
    write_5m, write_1h = split_writes(figures, written)
    if not prompt:
        # Ollama omits the count, or sends 0, for a prompt that it has evaluated before.
        figures.flag("missing_input")
    elif read + write_5m + write_1h > prompt:
        figures.flag("input_mismatch")
    fresh = max(0, (prompt or 0) - read - write_5m - write_1h)
    if completion is None:
        figures.flag("missing_output")
    output, reasoning = _output(figures, prompt, completion or 0, total)
    usage = Usage(fresh, read, write_5m, write_1h, output, min(reasoning, output))
    if raw.get("is_byok") is True:
        # OpenRouter charges its fee, and the provider behind it charges the rest.
        figures.flag("cost_in_parts")
    return flagged(figures.report(usage, _cost(figures)), tier_flags(service_tier=raw.get("service_tier")))


def _output(figures: UsageFigures, prompt: int | None, completion: int, total: int | None) -> tuple[int, int]:
    """Return output and reasoning of an OpenAI-shaped object.

    Gemini-shaped objects exclude thoughts from `completion_tokens` and count them only in `total_tokens`, with or
    without naming them in `reasoning_tokens`.
    """
    reasoning = figures.count("reasoning_tokens", "completion_tokens_details") or 0
    beyond = total - prompt - completion if total is not None and prompt else 0
    if beyond > 0 and reasoning in (0, beyond):
        if not reasoning:
            figures.flag("output_mismatch")
        return completion + beyond, beyond
    if beyond != 0:
        figures.flag("output_mismatch")
    if reasoning > completion:
        figures.flag("output_mismatch")
        if total is None:
            # Then reasoning is presumably not part of the completion.
            return completion + reasoning, reasoning
    return completion, reasoning


def _cost(figures: UsageFigures) -> str | None:
    """Return OpenRouter's `cost` in USD as a decimal string of at most 12 places."""
    value = figures.raw.get("cost")
    if value is None:
        return None
    try:
        cost = (
            Decimal(str(value)) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
        )
    except InvalidOperation:
        cost = None
    if cost is None or not cost.is_finite() or not 0 <= cost <= MAX_COST_USD:
        figures.flag("bad_value:cost")
        return None
    return format(cost.quantize(COST_STEP).normalize(), "f")
