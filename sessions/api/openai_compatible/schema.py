"""OpenAPI schemas of the OpenAI-compatible endpoint."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse

from sessions.api.openai_compatible.answers import CompletionShape
from sessions.api.openai_compatible.requests import (
    DEFAULTS,
    EMPTY_EXTRAS,
    MAX_MESSAGES,
    MAX_TOKENS,
    MESSAGE_EXTRAS,
    WITHOUT_EFFECT,
)
from web.api.schema import EXTRA_SCHEMAS

OPENAI_ERROR = "OpenAiError"

EXTRA_SCHEMAS[OPENAI_ERROR] = {
    "type": "object",
    "description": "An error in OpenAI's format.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {
                    "type": "string",
                    "description": "What went wrong and how to fix it, for people.",
                },
                "type": {
                    "type": "string",
                    "description": "OpenAI's kind of error, such as `rate_limit_error`.",
                },
                "param": {"type": ["string", "null"], "description": "The parameter that caused it."},
                "code": {"type": "string", "description": "What went wrong, for programs."},
            },
        }
    },
}

DATA_URL = {
    "type": "string",
    "pattern": "^data:",
    "description": "A data: URL in Base64; nothing is fetched.",
}
PARTS = [
    {
        "type": "object",
        "required": ["type", "text"],
        "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
    },
    {
        "type": "object",
        "required": ["type", "image_url"],
        "properties": {
            "type": {"const": "image_url"},
            "image_url": {
                "type": "object",
                "required": ["url"],
                "properties": {"url": DATA_URL, "detail": {"description": "Ignored."}},
            },
        },
    },
    {
        "type": "object",
        "required": ["type", "file"],
        "properties": {
            "type": {"const": "file"},
            "file": {
                "type": "object",
                "required": ["file_data"],
                "properties": {"file_data": DATA_URL, "filename": {"type": "string"}},
            },
        },
    },
]
CONTENT = {
    "description": "Text, or a list of parts; only user messages may have images and files. Null only for an assistant "
    "message without text.",
    "oneOf": [
        {"type": "string"},
        {"type": "null"},
        {"type": "array", "items": {"oneOf": PARTS}},
    ],
}
MESSAGE = {
    "type": "object",
    "required": ["role"],
    "additionalProperties": False,
    "properties": {
        "role": {
            "enum": ["system", "developer", "user", "assistant"],
            "description": "The last message other than system and developer must be the user's: it starts the turn.",
        },
        "content": CONTENT,
        **{name: {"description": "Ignored."} for name in sorted(MESSAGE_EXTRAS)},
        **{
            name: {"enum": [*values, None], "description": "Not supported."}
            for name, values in EMPTY_EXTRAS.items()
        },
    },
}
TOKENS = {"type": ["integer", "null"], "minimum": 1, "maximum": MAX_TOKENS}
COMPLETION_REQUEST: dict[str, Any] = {
    "type": "object",
    "required": ["model", "messages"],
    "additionalProperties": False,
    "properties": {
        "model": {
            "type": "string",
            "description": "A room or an agent, as listed by GET /v1/models. `room:<id>` also works.",
        },
        "messages": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_MESSAGES,
            "items": MESSAGE,
            "description": "The conversation, oldest first; system messages are appended to the agents' instructions.",
        },
        "stream": {"type": ["boolean", "null"], "description": "Stream the answer in chunks."},
        "stream_options": {
            "type": ["object", "null"],
            "additionalProperties": False,
            "properties": {
                "include_usage": {
                    "type": ["boolean", "null"],
                    "description": "Add a last chunk with the usage.",
                },
                "include_obfuscation": {"description": "Ignored."},
            },
            "description": "Options for `stream`.",
        },
        "temperature": {
            "type": ["number", "null"],
            "minimum": 0,
            "maximum": 2,
            "description": "Temperature of each answer; overrides that of the agents.",
        },
        "max_tokens": {
            **TOKENS,
            "description": "Maximum output tokens of each answer; an agent's lower limit still applies.",
        },
        "max_completion_tokens": {
            **TOKENS,
            "description": "Same as `max_tokens`; of both, the lower counts.",
        },
        "n": {"enum": [1, None], "description": "Only 1 is supported."},
        **{name: {"description": "Ignored."} for name in sorted(WITHOUT_EFFECT)},
        **{
            name: {"enum": [*values, None], "description": "Not supported; only the default is accepted."}
            for name, values in DEFAULTS.items()
        },
    },
}


CHUNK: dict[str, Any] = {
    "type": "object",
    "description": "One chunk.",
    "required": ["data"],
    "properties": {"data": {"type": "string", "description": "The chunk as JSON, or `[DONE]`."}},
}
CHUNKS = """With `stream`: chunks as in OpenAI's API, then `data: [DONE]`. Text of a room's steps that is not part of
the answer is sent as `reasoning_content`. With `stream_options.include_usage` the last chunk has the usage of the whole
turn. An error after the response has started is a chunk with `error`."""

COMPLETION_ANSWERS: dict[Any, Any] = {
    (200, "application/json"): OpenApiResponse(CompletionShape, description="The answer."),
    (200, "text/event-stream"): OpenApiResponse(CHUNK, description=CHUNKS),
}
