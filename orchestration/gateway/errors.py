"""Provider errors as the engine's `Failed`: a code, a sentence for the user, and whether the call may have cost.

The sentence never contains the provider's own text. That goes to the log, without keys and without quotations of the
request.
"""

from __future__ import annotations

import logging
import math
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from orchestration.engine.ports import Failed
from orchestration.engine.specs import ModelSpec, UsageReport
from orchestration.gateway.keys import redact
from orchestration.gateway.quotations import without_quotations
from orchestration.gateway.sse import NotAnEventStream

logger = logging.getLogger(__name__)

LOGGED_CHARS = 2000

NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)
"""Errors after which the provider cannot have seen the request."""

SENTENCES = {
    300: "sent us elsewhere (HTTP {status}): check {address}",
    400: "rejected the request (HTTP {status}); its reason is in the server's log",
    401: "did not accept the key: check {key}",
    402: "says that the account has no credit: check {key}",
    403: "forbids this: check {key}, what it may use, and {model}",
    404: "does not know this: check {model} and {address}",
    408: "gave up waiting for the request",
    413: "finds the request too large",
    429: "limits our requests: wait, or check the account's quota",
    500: "is overloaded or out of order (HTTP {status})",
}


class ErrorEvent(Exception):
    """The provider sent an error in the stream: a type without a status. `statuses` maps its types to statuses."""

    def __init__(self, error: Any, statuses: Mapping[str, int]) -> None:
        super().__init__("error event")
        self.error = error
        self.statuses = statuses


class CutStream(Exception):
    """The stream ended cleanly before the provider sent a finish reason."""


class TimedOut(Exception):
    """One of our own time limits; the message names it, for the user."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of an error: for the message, and to keep the key and the conversation out of the log."""

    model: ModelSpec
    key: str = field(repr=False)
    request_id: str = ""
    texts: Sequence[str] = field(default=(), repr=False)
    """The texts of the request, which the provider may quote."""

    def log(self, level: int, what: str, text: str) -> None:
        """Log the provider's own text, on one line, without keys and without quotations of the request."""
        model = self.model
        quoted = ascii(without_quotations(redact(text, self.key), self.texts)[:LOGGED_CHARS])
        logger.log(
            level,
            "%s %s: %s (request %s): %s",
            model.provider,
            model.model_id,
            what,
            self.request_id or "-",
            quoted,
        )


def failure(
    error: Exception, origin: Origin, report: UsageReport | None = None, *, answered: bool = True
) -> Failed:
    """Convert an exception of the SDK, the HTTP client or our parser to Failed; log the provider's text.

    `answered`: some of the answer had arrived. A connection that closes before that has cost nothing.
    """
    response = getattr(error, "response", None)
    if isinstance(response, httpx2.Response):
        return _of_response(response, origin)
    if isinstance(error, ErrorEvent):
        return _of_event(error, origin, report)
    code, message, retryable, sent = _of_exception(error, origin)
    timed_out = code == "provider_timeout"
    return Failed(code, message, retryable, may_have_cost=sent and (answered or timed_out), report=report)


def _of_exception(error: Exception, origin: Origin) -> tuple[str, str, bool, bool]:
    """Return code, sentence, retryability, and whether the provider may have seen the request."""
    provider = origin.model.provider
    cause = error if isinstance(error, httpx2.HTTPError) else error.__cause__ or error
    sent = not isinstance(cause, NOT_SENT)
    match error:
        case NotAnEventStream(from_start=True):
            origin.log(logging.WARNING, "no event stream", str(error))
            address = _address(origin.model)
            return (
                "provider_error",
                f"The provider {provider} answered with no event stream: check {address}.",
                False,
                not error.is_page,
            )
        case NotAnEventStream():
            origin.log(logging.WARNING, "unreadable", str(error))
            return "provider_unavailable", f"The provider {provider} sent something unreadable.", True, True
        case CutStream():
            origin.log(logging.WARNING, "cut stream", "the stream ended without a finish reason")
            return "provider_unavailable", f"The answer of {provider} was cut off.", True, True
        case TimedOut():
            origin.log(logging.WARNING, "timed out", str(error))
            # Not retried automatically: the call has cost already and has taken long.
            return "provider_timeout", f"The provider {provider} {error}.", False, True
    origin.log(logging.WARNING, type(cause).__name__, str(cause))
    if isinstance(cause, httpx2.TimeoutException):
        what = "took too long" if sent else "cannot be reached in time"
        return "provider_timeout", f"The provider {provider} {what}.", not sent, sent
    if isinstance(cause, (httpx2.HTTPError, OSError)):
        message = (
            f"The connection to {provider} broke." if sent else f"The provider {provider} cannot be reached."
        )
        return "provider_unavailable", message, True, sent
    origin.log(logging.ERROR, "unexpected", "".join(traceback.format_exception(error))[-LOGGED_CHARS:])
    return "provider_error", f"The call of {provider} failed; the reason is in the server's log.", False, True


def retry_after_s(headers: Mapping[str, str], now_s: float | None = None) -> float | None:
    """Return the pause that a provider asks for: `retry-after-ms`, else `Retry-After`, seconds or a date (RFC 9110)."""
    milliseconds = _seconds(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if (seconds := _seconds(value)) is not None:
        return seconds
    try:
        at_s = parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, at_s - (time.time() if now_s is None else now_s))


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return max(0.0, value) if math.isfinite(value) else None


def _of_response(response: httpx2.Response, origin: Origin) -> Failed:
    """Convert an HTTP error to Failed. An attempt that ended in one has cost nothing."""
    status = response.status_code
    try:
        text = response.text
    except (httpx2.StreamError, UnicodeError) as error:
        text = f"(no body: {error})"
    origin.log(logging.WARNING, f"HTTP {status}", text)
    code, message, retryable = _meaning(status, origin.model)
    if response.headers.get("x-should-retry") == "false":
        retryable = False
    pause_s = retry_after_s(response.headers) if retryable else None
    return Failed(code, message, retryable, may_have_cost=False, retry_after_s=pause_s)


def _of_event(error: ErrorEvent, origin: Origin, report: UsageReport | None) -> Failed:
    """Convert an error event to Failed by the status of its type; unlike an HTTP error, it may have cost."""
    origin.log(logging.WARNING, "error event", str(error.error))
    fields = error.error if isinstance(error.error, Mapping) else {}
    status = 500
    for name in ("status", "code", "type"):
        value = fields.get(name)
        if isinstance(value, int) and 400 <= value <= 599:
            status = value
            break
        if isinstance(value, str) and value in error.statuses:
            status = error.statuses[value]
            break
    code, message, retryable = _meaning(status, origin.model)
    return Failed(code, message, retryable, may_have_cost=True, report=report)


def _meaning(status: int, model: ModelSpec) -> tuple[str, str, bool]:
    """Return code, sentence and retryability of an HTTP status."""
    if status == 408:
        code, retryable = "provider_timeout", True
    elif status == 429 or status >= 500:
        code, retryable = "provider_unavailable", True
    else:
        code, retryable = "provider_error", False
    nearest = status if status in SENTENCES else status // 100 * 100
    sentence = SENTENCES[nearest].format(
        key=f"the key in {model.key_env}" if model.key_env else "whether the provider wants a key variable",
        model=f"the model id {model.model_id}",
        address=_address(model),
        status=status,
    )
    return code, f"The provider {model.provider} {sentence}.", retryable


def _address(model: ModelSpec) -> str:
    in_variable = model.base_url_env and not model.base_url
    return f"the base URL in {model.base_url_env}" if in_variable else "the provider's base URL"
