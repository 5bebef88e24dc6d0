"""The shapes of the OpenAI-compatible endpoint, for the API's description."""

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
    "description": "An error as OpenAI's clients read it.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string", "description": "What went wrong and what to do, for people."},
                "type": {
                    "type": "string",
                    "description": "OpenAI's kind of error, such as `rate_limit_error`.",
                },
                "param": {"type": ["string", "null"], "description": "The parameter that it is about."},
                "code": {"type": "string", "description": "What went wrong, for programs."},
            },
        }
    },
}

CONTENT = {
    "description": "Text, whole or in parts; null only of an assistant that said nothing.",
    "oneOf": [
        {"type": "string"},
        {"type": "null"},
        {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "text"],
                "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
            },
        },
    ],
}
MESSAGE = {
    "type": "object",
    "required": ["role"],
    "additionalProperties": False,
    "properties": {
        "role": {
            "enum": ["system", "developer", "user", "assistant"],
            "description": "The last message that is not system or developer is the user's, and the turn.",
        },
        "content": CONTENT,
        **{name: {"description": "Without effect."} for name in sorted(MESSAGE_EXTRAS)},
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
            "description": "A room or an agent, as in GET /v1/models. `room:<id>` also works.",
        },
        "messages": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_MESSAGES,
            "items": MESSAGE,
            "description": "The conversation, oldest first; system messages stand after the agents' role prompts.",
        },
        "stream": {"type": ["boolean", "null"], "description": "Answer with chunks as they come."},
        "stream_options": {
            "type": ["object", "null"],
            "additionalProperties": False,
            "properties": {
                "include_usage": {"type": ["boolean", "null"], "description": "Usage in a last chunk."},
                "include_obfuscation": {"description": "Without effect."},
            },
            "description": "Of a stream.",
        },
        "temperature": {
            "type": ["number", "null"],
            "minimum": 0,
            "maximum": 2,
            "description": "Of each answer, in place of the agents' own.",
        },
        "max_tokens": {
            **TOKENS,
            "description": "Tokens of each answer, at most; never more than an agent's limit.",
        },
        "max_completion_tokens": {**TOKENS, "description": "The same by its newer name."},
        "n": {"enum": [1, None], "description": "There is one answer."},
        **{name: {"description": "Without effect."} for name in sorted(WITHOUT_EFFECT)},
        **{
            name: {"enum": [*values, None], "description": "Only what means the default."}
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
CHUNKS = """With `stream`: chunks as in OpenAI's API, then `data: [DONE]`. What a room's steps say on the way to the
answer comes as `reasoning_content`. With `stream_options.include_usage` the last chunk has the usage of the whole turn.
An error after the head is a chunk with `error`."""

COMPLETION_ANSWERS: dict[Any, Any] = {
    (200, "application/json"): OpenApiResponse(CompletionShape, description="The answer."),
    (200, "text/event-stream"): OpenApiResponse(CHUNK, description=CHUNKS),
}
