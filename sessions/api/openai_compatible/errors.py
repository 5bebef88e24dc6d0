"""Errors in the shape that OpenAI's clients read: `{"error": {"message", "type", "param", "code"}}`."""

from __future__ import annotations

from typing import Any

from django.http import JsonResponse

from web.errors import PantheonError

OPENAI_PREFIX = "/v1/"
"""The prefix of the paths that answer in OpenAI's format."""

TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_error",
}
"""HTTP status -> OpenAI's error type; other statuses get a type by their class, 4xx or 5xx."""


def openai_error(error: dict[str, Any], status: int) -> dict[str, Any]:
    """Return an error's body in OpenAI's shape; `error` is the inner object of our own."""
    kind = TYPES.get(status) or ("invalid_request_error" if status < 500 else "server_error")
    body = {
        "message": sentence(error),
        "type": kind,
        "param": param_of(error["details"]),
        "code": error["code"],
    }
    return {"error": body}


def sentence(error: dict[str, Any]) -> str:
    """Return the error's message followed by those of its fields, because OpenAI's shape has only one."""
    fields = error["details"].get("fields", {})
    return " ".join([error["message"], *(text for texts in fields.values() for text in texts)])


def param_of(details: dict[str, Any]) -> str | None:
    """Return the parameter that caused the error."""
    fields = list(details.get("fields", ()))
    return details.get("parameter") or (fields[0] if fields else None)


def openai_error_response(error: PantheonError) -> JsonResponse:
    """Render an error of one of these paths that no view handled."""
    body = openai_error(error.as_dict()["error"], error.http_status)
    return JsonResponse(body, status=error.http_status, headers=error.headers)
