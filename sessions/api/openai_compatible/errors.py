"""Errors in the shape that OpenAI's clients read: `{"error": {"message", "type", "param", "code"}}`."""

from __future__ import annotations

from typing import Any

from django.http import JsonResponse

from web.errors import PantheonError

OPENAI_PREFIX = "/v1/"
"""Where addresses begin whose answers OpenAI's clients read."""

TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_error",
}
"""HTTP status -> OpenAI's type of error; the rest is the request's fault or the server's."""


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
    """Return what went wrong, with what is said about each field: the shape has one message."""
    fields = error["details"].get("fields", {})
    return " ".join([error["message"], *(text for texts in fields.values() for text in texts)])


def param_of(details: dict[str, Any]) -> str | None:
    """Return the parameter that an error is about."""
    fields = list(details.get("fields", ()))
    return details.get("parameter") or (fields[0] if fields else None)


def openai_error_response(error: PantheonError) -> JsonResponse:
    """Render an error that no view of these handled."""
    body = openai_error(error.as_dict()["error"], error.http_status)
    return JsonResponse(body, status=error.http_status, headers=error.headers)
