"""Provider errors as the engine's `Failed`: a code, a sentence for the user, and whether the call may have cost.

What a server says is read by `refusals`. Its own text goes to the log, without keys and without quotations of the
conversation.
"""

from __future__ import annotations

import json
import logging
import math
import re
import time
import traceback
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from orchestration.engine.ports import Failed
from orchestration.engine.specs import ModelSpec, UsageReport
from orchestration.gateway.connections import (
    proxy_variable,
    redirected,
    setup_problem,
    trouble_of,
    unreachable,
)
from orchestration.gateway.error_bodies import words_of
from orchestration.gateway.keys import redact
from orchestration.gateway.overflows import Overflow
from orchestration.gateway.quotations import without_quotations
from orchestration.gateway.refusals import Refusal, address_of, refusal_of
from orchestration.gateway.sse import NotAnEventStream

logger = logging.getLogger(__name__)

LOGGED_CHARS = 2000
STORED_CHARS = 500

NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
    httpx2.InvalidURL,
)
"""Errors after which the provider cannot have seen the request."""


ENCODED = re.compile(r"data:[\w/+.-]{1,80};base64,[\w+/=-]*|[A-Za-z0-9+/]{120,}={0,2}")
"""Content of images, which servers quote."""


class ErrorEvent(Exception):
    """A successful response has an error object: an event of the stream, or the whole body.

    `statuses`: the HTTP statuses that a wire format's own codes mean, beside those that `refusals` knows.
    """

    def __init__(self, error: Any, statuses: Mapping[str, int] | None = None) -> None:
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
    """The texts of the request and of the answer so far, which the provider may quote."""
    sent: Collection[str] = ()
    """The keys of FIELDS that the request has."""

    def log(self, level: int, what: str, text: str) -> None:
        """Log the provider's own text, on one line, without keys and without quotations of the conversation."""
        model = self.model
        quoted = ascii(self.cleaned(text)[:LOGGED_CHARS])
        logger.log(
            level,
            "%s %s: %s (request %s): %s",
            model.provider,
            model.model_id,
            what,
            self.request_id or "-",
            quoted,
        )

    def cleaned(self, text: str) -> str:
        """Return a provider's text without keys and without quotations of the conversation."""
        return without_quotations(ENCODED.sub("[data]", redact(text, self.key)), self.texts)

    def for_staff(self, text: str) -> str:
        """Return the cleaned text on one line, short enough to be stored with the call."""
        cleaned = self.cleaned(text)[:STORED_CHARS]
        return "".join(char if char.isprintable() else " " for char in cleaned).strip()


def failure(
    error: Exception, origin: Origin, report: UsageReport | None = None, *, answered: bool = True
) -> Failed:
    """Convert an exception of the SDK, the HTTP client or our parser to Failed; log the provider's text.

    `answered`: some of the answer had arrived. An error before that has cost nothing, unless a time limit expired: then
    the model may still have been working.
    """
    response = getattr(error, "response", None)
    if isinstance(response, httpx2.Response):
        return _of_response(response, origin)
    if isinstance(error, ErrorEvent):
        return _of_event(error, origin, report, answered=answered)
    if isinstance(error, NotAnEventStream) and error.from_start:
        origin.log(logging.WARNING, "no event stream", str(error))
        return no_server(origin.model)
    code, message, retryable, sent = _of_exception(error, origin)
    timed_out = code == "provider_timeout"
    cause = error if isinstance(error, httpx2.HTTPError) else error.__cause__ or error
    return Failed(
        code,
        message,
        retryable,
        may_have_cost=sent and (answered or timed_out),
        report=report,
        provider_text=origin.for_staff(f"{type(cause).__name__}: {cause}"),
    )


def no_client(error: Exception, origin: Origin) -> str:
    """Return the sentence for an error while the client was created: nothing was sent."""
    origin.log(logging.WARNING, "no client", f"{type(error).__name__}: {error}")
    problem = setup_problem() or "The HTTP client cannot be created; the server's log has the reason."
    return f"The provider {origin.model.provider} cannot be called. {problem}"


def no_server(model: ModelSpec) -> Failed:
    """Return the failure for an answer that does not come from a model server, such as a web page."""
    sentence = f"The provider {model.provider} has no model server at its address: check {address_of(model)}."
    return Failed("provider_error", sentence, retryable=False, may_have_cost=False)


def _of_exception(error: Exception, origin: Origin) -> tuple[str, str, bool, bool]:
    """Return code, sentence, retryability, and whether the provider may have seen the request."""
    provider = origin.model.provider
    cause = error if isinstance(error, httpx2.HTTPError) else error.__cause__ or error
    sent = not isinstance(cause, NOT_SENT)
    match error:
        case NotAnEventStream():
            origin.log(logging.WARNING, "unreadable", str(error))
            return "provider_unavailable", f"The provider {provider} sent an unreadable response.", True, True
        case CutStream():
            origin.log(logging.WARNING, "cut stream", "the stream ended without a finish reason")
            return "provider_unavailable", f"The answer of {provider} was cut off.", True, True
        case TimedOut():
            origin.log(logging.WARNING, "timed out", str(error))
            # Not retried automatically: the call has cost already and has taken long.
            return "provider_timeout", f"The provider {provider} {error}.", False, True
    origin.log(logging.WARNING, type(cause).__name__, str(cause))
    if (trouble := trouble_of(cause, origin.model)) is not None:
        return "provider_error", trouble, False, False
    if isinstance(cause, httpx2.TimeoutException):
        what = "took too long." if sent else f"cannot be reached in time{unreachable(origin.model)}"
        return "provider_timeout", f"The provider {provider} {what}", not sent, sent
    if isinstance(cause, (httpx2.HTTPError, OSError)):
        message = f"The provider {provider} cannot be reached{unreachable(origin.model)}"
        if sent:
            variable = proxy_variable(origin.model)
            through = f" (it goes through the proxy in {variable})" if variable else ""
            message = f"The connection to {provider} broke{through}."
        return "provider_unavailable", message, True, sent
    origin.log(logging.ERROR, "unexpected", "".join(traceback.format_exception(error))[-LOGGED_CHARS:])
    return "provider_error", f"The call of {provider} failed; the server's log has the reason.", False, True


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
    body = _json(text)
    words = words_of(body, origin.texts)
    origin.log(logging.WARNING, f"HTTP {status}", words)
    provider_text = origin.for_staff(f"HTTP {status}: {words}")
    if status < 400:
        message = redirected(response, origin.model)
        return Failed("provider_error", message, False, may_have_cost=False, provider_text=provider_text)
    if status in (404, 405) and text.lstrip()[:1] == "<":
        return replace(no_server(origin.model), provider_text=provider_text)
    refusal = refusal_of(body, status, origin.model, sent=origin.sent, quoted=origin.texts)
    failed = replace(failed_of(refusal, origin, may_have_cost=False), provider_text=provider_text)
    if response.headers.get("x-should-retry") == "false":
        return replace(failed, retryable=False)
    return replace(failed, retry_after_s=retry_after_s(response.headers)) if failed.retryable else failed


def _of_event(error: ErrorEvent, origin: Origin, report: UsageReport | None, *, answered: bool) -> Failed:
    """Convert an error in a successful response to Failed. One that begins the response is like an HTTP error."""
    words = words_of(error.error, origin.texts)
    origin.log(logging.WARNING, "error event", words)
    refusal = refusal_of(
        error.error, None, origin.model, sent=origin.sent, statuses=error.statuses, quoted=origin.texts
    )
    failed = failed_of(refusal, origin, may_have_cost=answered)
    return replace(failed, report=report, provider_text=origin.for_staff(words))


def failed_of(refusal: Refusal, origin: Origin, *, may_have_cost: bool) -> Failed:
    """Return a refusal as Failed. A field is left out of the next attempt only if this one had it."""
    overflow = refusal.overflow or Overflow()
    return Failed(
        refusal.code,
        refusal.message,
        refusal.retryable,
        may_have_cost,
        without=refusal.field if refusal.field in origin.sent else "",
        reason=refusal.reason,
        is_guess=refusal.is_guess,
        limit_tokens=overflow.limit,
        requested_tokens=overflow.requested,
        input_tokens=overflow.input,
        output_limit_tokens=overflow.limit if overflow.of_output else None,
    )


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
