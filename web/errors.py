"""Pantheon's errors as data. Imports only the standard library, so that every package can raise them."""

from __future__ import annotations

import math
from typing import Any

HTTP_STATUS: dict[str, int] = {
    "invalid_json": 400,
    "invalid_parameter": 400,
    "not_authenticated": 401,
    "budget_exceeded": 402,
    "permission_denied": 403,
    "csrf_failed": 403,
    "account_suspended": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "turn_conflict": 409,
    "turn_in_progress": 409,
    "turn_final": 409,
    "agent_key_taken": 409,
    "idempotency_mismatch": 409,
    "payload_too_large": 413,
    "validation_error": 422,
    "no_valid_tagged_agents": 422,
    "no_room_agents": 422,
    "room_goal_required": 422,
    "context_overflow": 422,
    "model_unavailable": 422,
    "unsupported_file": 422,
    "file_unreadable": 422,
    "file_quota_exceeded": 422,
    "rate_limited": 429,
    "internal_error": 500,
    "provider_error": 502,
    "content_filtered": 502,
    "output_limit": 502,
    "provider_unavailable": 503,
    "unavailable": 503,
    "provider_timeout": 504,
}
"""Every error code and its HTTP status."""

RETRYABLE = frozenset(
    {"turn_in_progress", "rate_limited", "provider_unavailable", "unavailable", "provider_timeout"}
)
"""Codes after which the same request may succeed later. The default; `PantheonError(retryable=...)` overrides it."""


class PantheonError(Exception):
    """An error to show to a user or an API client.

    `code` is a key of HTTP_STATUS, `message` a sentence that says what to do, `details` JSON-serializable facts.
    """

    def __init__(
        self,
        code: str,
        message: str,
        details: dict[str, Any] | None = None,
        *,
        headers: dict[str, str] | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details or {}
        self.headers = headers or {}
        self.retryable = code in RETRYABLE if retryable is None else retryable

    @property
    def http_status(self) -> int:
        return HTTP_STATUS[self.code]

    def as_dict(self, request_id: str | None = None) -> dict[str, Any]:
        """Return the error's JSON: `{"error": {code, message, details, retryable, request_id}}`."""
        return {
            "error": {
                "code": self.code,
                "message": self.message,
                "details": self.details,
                "retryable": self.retryable,
                "request_id": request_id,
            }
        }


class NotFound(PantheonError):
    """Something that does not exist, or belongs to somebody else."""

    def __init__(self, message: str = "Not found, or you don't have access.") -> None:
        super().__init__("not_found", message)


class RateLimited(PantheonError):
    """Too many requests. `reason` is a sentence, to which the time to wait (`wait_s`, at least 1 s) is added."""

    def __init__(self, reason: str, wait_s: float) -> None:
        whole_s = max(1, math.ceil(wait_s))
        when = f"{whole_s} s" if whole_s < 100 else f"{math.ceil(whole_s / 60)} minutes"
        super().__init__(
            "rate_limited",
            f"{reason} Try again in {when}.",
            {"retry_after_s": whole_s},
            headers={"Retry-After": str(whole_s)},
        )


class ValidationFailed(PantheonError):
    """Invalid input. `fields` maps each field to its list of messages."""

    def __init__(
        self, fields: dict[str, list[str]], message: str = "Some fields need another value."
    ) -> None:
        super().__init__("validation_error", message, {"fields": fields})
