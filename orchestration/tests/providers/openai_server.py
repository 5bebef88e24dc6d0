"""A server for OpenAI's chat completions API: `POST /v1/chat/completions`, streamed or not.

The shapes are those of OpenAI's API reference ("Create chat completion", "The chat completion chunk object", "Errors").
"""

from __future__ import annotations

import base64
import json
import re
import time
from typing import Any

from orchestration.engine.specs import Usage
from orchestration.tests.providers.answers import Answer, ErrorEvent, Served
from orchestration.tests.providers.server import ProviderServer

KNOWN = """
audio cache_control frequency_penalty function_call functions logit_bias logprobs max_completion_tokens
max_tokens messages metadata modalities model n parallel_tool_calls prediction presence_penalty
prompt_cache_key reasoning_effort response_format safety_identifier seed service_tier stop store stream
stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options
"""
PARAMETERS = frozenset(KNOWN.split())
ERROR_TYPES = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


DATA_URL = re.compile(r"data:image/(png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+={0,2}")


def is_content(content: Any) -> bool:
    """Return whether a content is a text, or parts: texts, and images as data URLs."""
    if isinstance(content, str):
        return True
    return isinstance(content, list) and bool(content) and all(map(is_part, content))


def is_part(part: dict[str, Any]) -> bool:
    if part.keys() == {"type", "text"}:
        return part["type"] == "text" and bool(part["text"])
    if part.keys() != {"type", "image_url"} or part["type"] != "image_url":
        return False
    return bool(DATA_URL.fullmatch(part["image_url"]["url"]))


def text_of(content: str | list[dict[str, Any]]) -> str:
    """Return the texts of a content as one."""
    return content if isinstance(content, str) else "\n\n".join(part.get("text", "") for part in content)


class OpenAIServer(ProviderServer):
    """OpenAI's wire format; `base_url` ends in `/v1`."""

    base_path = "/v1"
    path = "/chat/completions"
    models_path = "/models"
    request_id_header = "x-request-id"

    def refuse(self, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, str, str] | None:
        bad = "invalid_request_error"
        if unknown := sorted(set(body) - PARAMETERS):
            return 400, bad, f"Unrecognized request argument supplied: {unknown[0]}"
        if not body.get("model") or not body.get("messages"):
            return 400, bad, "Missing required parameter: 'model' and 'messages'."
        for message in body["messages"]:
            known = message.get("role") in ("system", "developer", "user", "assistant")
            if not known or not is_content(message.get("content")):
                return 400, bad, "Invalid value in 'messages'."
        if "max_tokens" in body and "max_completion_tokens" in body:
            return (
                400,
                bad,
                "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            )
        if "stream_options" in body and not body.get("stream"):
            return 400, bad, "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        schema = body.get("response_format", {}).get("json_schema", {})
        if schema.get("strict") and not is_strict(schema.get("schema")):
            return (
                400,
                bad,
                "Invalid schema for response_format: 'additionalProperties' is required to be false.",
            )
        return None

    def output_limit(self, body: dict[str, Any]) -> int:
        return int(body.get("max_completion_tokens") or body.get("max_tokens") or 0)

    def too_long_message(self, size: int, output: int, window: int) -> str:
        return (
            f"This model's maximum context length is {window} tokens. However, you requested {size + output} tokens "
            f"({size} in the messages, {output} in the completion). Please reduce the length of the messages or "
            "completion."
        )

    def request_text(self, body: dict[str, Any]) -> str:
        return "\n".join(text_of(message["content"]) for message in body["messages"])

    def images(self, body: dict[str, Any]) -> list[bytes]:
        contents = [
            message["content"] for message in body["messages"] if isinstance(message["content"], list)
        ]
        urls = [
            part["image_url"]["url"] for parts in contents for part in parts if part["type"] == "image_url"
        ]
        return [base64.b64decode(url.partition(",")[2], validate=True) for url in urls]

    def error_body(self, status: int, type_: str, message: str, request_id: str) -> dict[str, Any]:
        default = ("server_error", None) if status >= 500 else ("invalid_request_error", None)
        known, code = ERROR_TYPES.get(status, default)
        return {"error": {"message": message, "type": type_ or known, "param": None, "code": code}}

    def whole_body(self, served: Served, answer: Answer) -> dict[str, Any]:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": "".join(answer.pieces),
            "refusal": None,
            "annotations": [],
        }
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
        frame = {**self._frame(served), "object": "chat.completion"}
        return {**frame, "choices": [choice], "usage": self._usage(served, answer)}

    def opening(self, served: Served, answer: Answer) -> bytes:
        return self._delta(served, {"role": "assistant", "content": "", "refusal": None})

    def reasoning_event(self, served: Served, piece: str) -> bytes:
        return self._delta(served, {"reasoning_content": piece})

    def text_event(self, served: Served, piece: str) -> bytes:
        return self._delta(served, {"content": piece})

    def ping(self) -> bytes:
        return b": keep-alive\n\n"

    def error_event(self, served: Served, fault: ErrorEvent) -> bytes:
        return sse(
            {"error": {"message": fault.message, "type": fault.type, "param": None, "code": fault.code}}
        )

    def closing(self, served: Served, answer: Answer) -> bytes:
        data = b""
        if answer.finish_reason is not None:
            data += self._delta(served, {}, answer.finish_reason)
        asked = bool((served.body.get("stream_options") or {}).get("include_usage"))
        if answer.tells_usage and asked:
            data += sse({**self._frame(served), "choices": [], "usage": self._usage(served, answer)})
            served.usage_told = True
        return data + b"data: [DONE]\n\n"

    def _frame(self, served: Served) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-test{served.number:04}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": served.model,
            "service_tier": "default",
            "system_fingerprint": "fp_test",
        }

    def _delta(self, served: Served, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return sse({**self._frame(served), "choices": [choice], "usage": None, "obfuscation": "x"})

    def _usage(self, served: Served, answer: Answer) -> dict[str, Any]:
        return dict(answer.raw_usage) if answer.raw_usage is not None else openai_usage(served.usage)


def sse(payload: dict[str, Any]) -> bytes:
    """Return one event of the stream."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    # Half a surrogate pair can be escaped in JSON, but not encoded in UTF-8.
    return b"data: " + text.encode(errors="backslashreplace") + b"\n\n"


def openai_usage(usage: Usage) -> dict[str, Any]:
    """Return the usage object as OpenAI sends it: the prompt count includes cached tokens."""
    written = usage.cache_write_5m + usage.cache_write_1h
    details = {"cached_tokens": usage.cache_read, "audio_tokens": 0}
    if written:
        details["cache_write_tokens"] = written
    return {
        "prompt_tokens": usage.total_input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total_input + usage.output,
        "prompt_tokens_details": details,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def is_strict(schema: Any) -> bool:
    """Return whether OpenAI accepts a schema as strict: each object closed, with all of its properties required."""
    if isinstance(schema, list):
        return all(is_strict(item) for item in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object":
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(
            properties
        ):
            return False
    return all(is_strict(value) for value in schema.values())
