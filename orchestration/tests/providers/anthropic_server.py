"""A server for Anthropic's Messages API: `POST /v1/messages`, streamed or not.

The shapes are those of Anthropic's "Streaming messages", "Messages" and "Errors" pages.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from orchestration.engine.specs import Usage
from orchestration.tests.providers.answers import Answer, ErrorEvent, Served
from orchestration.tests.providers.server import ProviderServer

KNOWN = """
cache_control container inference_geo max_tokens messages metadata model output_config service_tier speed
stop_sequences stream system temperature thinking tool_choice tools top_k top_p
"""
PARAMETERS = frozenset(KNOWN.split())
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}


MOST_CACHE_MARKS = 4
IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif")


def text_of(content: str | list[dict[str, Any]]) -> str:
    """Return a content, a text or text blocks, as one text."""
    return content if isinstance(content, str) else "".join(block.get("text", "") for block in content)


def is_text(content: Any) -> bool:
    """Return whether a content is a text, or texts and images, none of them empty."""
    if isinstance(content, str):
        return bool(content.strip())
    blocks = content if isinstance(content, list) else []
    return bool(blocks) and all(is_image(block) or is_text_block(block) for block in blocks)


def is_text_block(block: dict[str, Any]) -> bool:
    known = block.keys() <= {"type", "text", "cache_control"} and block["type"] == "text"
    return known and bool(block["text"].strip())


def is_image(block: dict[str, Any]) -> bool:
    if not (block.keys() <= {"type", "source", "cache_control"} and block["type"] == "image"):
        return False
    source = block["source"]
    is_known = source.keys() == {"type", "media_type", "data"} and source["type"] == "base64"
    return is_known and source["media_type"] in IMAGE_TYPES and bool(source["data"])


class AnthropicServer(ProviderServer):
    """Anthropic's wire format; `base_url` is the origin."""

    path = "/v1/messages"
    models_path = "/v1/models"
    request_id_header = "request-id"

    def refuse(self, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, str, str] | None:
        bad = "invalid_request_error"
        if not headers.get("anthropic-version"):
            return 400, bad, "anthropic-version: header is required"
        if unknown := sorted(set(body) - PARAMETERS):
            return 400, bad, f"{unknown[0]}: Extra inputs are not permitted"
        if not body.get("model") or not body.get("messages") or not isinstance(body.get("max_tokens"), int):
            return 400, bad, "model, messages and max_tokens: Field required"
        for message in body["messages"]:
            if message.get("role") not in ("user", "assistant"):
                return 400, bad, "messages: Unexpected role"
            if not is_text(message.get("content")):
                return 400, bad, "messages: text content blocks must be non-empty"
        if "system" in body and not is_text(body["system"]):
            return 400, bad, "system: text content blocks must be non-empty"
        if str(body).count("'cache_control'") > MOST_CACHE_MARKS:
            return 400, bad, "A maximum of 4 blocks with cache_control may be provided."
        return None

    def too_long_message(self, size: int, output: int, window: int) -> str:
        if size > window:
            return f"prompt is too long: {size} tokens > {window} maximum"
        return (
            f"input length and `max_tokens` exceed context limit: {size} + {output} > {window}, decrease input length "
            "or `max_tokens` and try again"
        )

    def given_key(self, headers: dict[str, str]) -> str:
        return headers.get("x-api-key") or super().given_key(headers)

    def request_text(self, body: dict[str, Any]) -> str:
        contents = [body.get("system", ""), *(message["content"] for message in body["messages"])]
        return "\n".join(map(text_of, contents)).lstrip("\n")

    def images(self, body: dict[str, Any]) -> list[bytes]:
        contents = [
            message["content"] for message in body["messages"] if isinstance(message["content"], list)
        ]
        blocks = [block for content in contents for block in content if block["type"] == "image"]
        return [base64.b64decode(block["source"]["data"], validate=True) for block in blocks]

    def error_body(self, status: int, type_: str, message: str, request_id: str) -> dict[str, Any]:
        known = ERROR_TYPES.get(status, "api_error")
        return {
            "type": "error",
            "error": {"type": type_ or known, "message": message},
            "request_id": request_id,
        }

    def whole_body(self, served: Served, answer: Answer) -> dict[str, Any]:
        message = self._message(served)
        message["content"] = [{"type": "text", "text": "".join(answer.pieces), "citations": None}]
        return {**message, "stop_reason": self._stop_reason(answer), "usage": anthropic_usage(served.usage)}

    def opening(self, served: Served, answer: Answer) -> bytes:
        usage = anthropic_usage(served.usage)
        # A placeholder: the tokens generated before the message opens.
        usage["output_tokens"] = 1
        data = event("message_start", {"message": {**self._message(served), "usage": usage}})
        if answer.reasoning:
            block = {"type": "thinking", "thinking": "", "signature": ""}
            data += event("content_block_start", {"index": 0, "content_block": block})
        return data + self.ping()

    def reasoning_event(self, served: Served, piece: str) -> bytes:
        return event(
            "content_block_delta", {"index": 0, "delta": {"type": "thinking_delta", "thinking": piece}}
        )

    def text_opening(self, served: Served, answer: Answer) -> bytes:
        data = b""
        if answer.reasoning:
            signature = {"type": "signature_delta", "signature": "EqQBCgIYAhIM"}
            data += event("content_block_delta", {"index": 0, "delta": signature})
            data += event("content_block_stop", {"index": 0})
        block = {"type": "text", "text": ""}
        return data + event(
            "content_block_start", {"index": self._text_index(served), "content_block": block}
        )

    def text_event(self, served: Served, piece: str) -> bytes:
        delta = {"type": "text_delta", "text": piece}
        return event("content_block_delta", {"index": self._text_index(served), "delta": delta})

    def ping(self) -> bytes:
        return event("ping", {})

    def error_event(self, served: Served, fault: ErrorEvent) -> bytes:
        error = {"details": None, "type": fault.type, "message": fault.message}
        return event("error", {"error": error, "request_id": served.request_id})

    def closing(self, served: Served, answer: Answer) -> bytes:
        data = event("content_block_stop", {"index": self._text_index(served)})
        if answer.finish_reason is None:
            return data
        delta: dict[str, Any] = {"delta": {"stop_reason": self._stop_reason(answer), "stop_sequence": None}}
        if answer.tells_usage:
            delta["usage"] = (
                dict(answer.raw_usage) if answer.raw_usage is not None else delta_usage(served.usage)
            )
            served.usage_told = True
        return data + event("message_delta", delta) + event("message_stop", {})

    def _message(self, served: Served) -> dict[str, Any]:
        return {
            "id": f"msg_test{served.number:04}",
            "type": "message",
            "role": "assistant",
            "model": served.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }

    def _text_index(self, served: Served) -> int:
        return 1 if served.reasoned else 0

    def _stop_reason(self, answer: Answer) -> str:
        return STOP_REASONS.get(answer.finish_reason or "", answer.finish_reason or "")


def event(name: str, fields: dict[str, Any]) -> bytes:
    """Return one event of the stream; its name is also the JSON's type."""
    payload = json.dumps({"type": name, **fields}, ensure_ascii=False, separators=(",", ":"))
    return f"event: {name}\ndata: {payload}\n\n".encode()


def delta_usage(usage: Usage) -> dict[str, Any]:
    """Return the cumulative usage of `message_delta`: the same counts, without the split by lifetime."""
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
        **({"output_tokens_details": {"thinking_tokens": usage.reasoning}} if usage.reasoning else {}),
    }


def anthropic_usage(usage: Usage) -> dict[str, Any]:
    """Return the usage object as Anthropic sends it: `input_tokens` exclude cache reads and writes."""
    return {
        **delta_usage(usage),
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "service_tier": "standard",
        "inference_geo": "global",
    }
