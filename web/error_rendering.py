"""Render errors, here and nowhere else: as JSON for programs, as a page for people."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from redis.exceptions import RedisError
from rest_framework import exceptions
from rest_framework.response import Response

from web.errors import NotFound, PantheonError, RateLimited, ValidationFailed

log = logging.getLogger(__name__)


MAX_FIELDS = 20
"""Maximum fields that an error names: a list of wrong entries would be answered with one sentence for each."""


MAX_SENTENCE_CHARS = 500


def flatten(detail: Any) -> dict[str, list[str]]:
    """Flatten DRF's nested validation detail to field path -> messages, of the first MAX_FIELDS fields."""
    return dict(itertools.islice(flat_items(detail), MAX_FIELDS))


def flat_items(detail: Any, field: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield the field path and messages of each field in DRF's nested validation detail."""
    if isinstance(detail, dict):
        items = [(str(key), value) for key, value in detail.items()]
    elif isinstance(detail, list) and any(isinstance(item, dict | list) for item in detail):
        items = [(str(index), value) for index, value in enumerate(detail) if value]
    else:
        sentences = detail if isinstance(detail, list) else [detail]
        yield field or "non_field_errors", [readable(str(sentence)) for sentence in sentences[:MAX_FIELDS]]
        return
    for key, value in items:
        yield from flat_items(value, f"{field}.{key}" if field else key)


def readable(text: str) -> str:
    """Cut a message, and replace lone surrogates: it may quote the input, and UTF-8 cannot encode those."""
    text = text if len(text) <= MAX_SENTENCE_CHARS else f"{text[:MAX_SENTENCE_CHARS]}…"
    return text.encode("utf-8", "replace").decode()


def body_too_large() -> PantheonError:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return PantheonError(
        "payload_too_large", f"Requests are limited to {limit} bytes.", {"limit_bytes": limit}
    )


def as_pantheon_error(exc: Exception) -> PantheonError | None:
    """Convert an exception to the error to answer with; None if it is a bug (500)."""
    match exc:
        case PantheonError():
            return exc
        case Http404() | exceptions.NotFound():
            return NotFound()
        case RequestDataTooBig():
            return body_too_large()
        case exceptions.ValidationError():
            return ValidationFailed(flatten(exc.detail))
        case SuspiciousOperation() | BadRequest() | MultiPartParserError():
            return PantheonError("invalid_parameter", "The server could not understand this request.")
        case exceptions.ParseError():
            return PantheonError("invalid_json", "The body is not valid JSON.")
        case exceptions.UnsupportedMediaType():
            return PantheonError("invalid_json", "Send the body as application/json.")
        case exceptions.NotAuthenticated():
            return PantheonError(
                "not_authenticated", "Sign in, or send a token: Authorization: Bearer <token>."
            )
        case exceptions.AuthenticationFailed():
            return PantheonError("not_authenticated", str(exc.detail))
        case exceptions.PermissionDenied() | PermissionDenied():
            return PantheonError("permission_denied", "You don't have permission to do this.")
        case exceptions.MethodNotAllowed():
            return PantheonError("method_not_allowed", str(exc.detail))
        case exceptions.Throttled():
            return RateLimited("Too many requests.", getattr(exc, "wait", None) or 1)
        case OperationalError() | InterfaceError() | RedisError():
            log.error("the database or Redis is unavailable: %s", exc)
            return PantheonError(
                "unavailable",
                "The server is temporarily unavailable. Try again in a moment.",
                headers={"Retry-After": "5"},
            )
    return None


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response:
    """Render any exception of an API view (DRF's EXCEPTION_HANDLER)."""
    request = context["request"]
    request_id = getattr(request, "request_id", None)
    error = as_pantheon_error(exc)
    if error is None:
        log.error("request %s failed", request_id, exc_info=exc)
        error = PantheonError(
            "internal_error", "Something went wrong on our side. The log has more under the request id."
        )
    response = Response(error.as_dict(request_id), status=error.http_status, headers=error.headers)
    if isinstance(exc, exceptions.APIException) and (challenge := getattr(exc, "auth_header", None)):
        response["WWW-Authenticate"] = challenge
    return response


def json_error(request: HttpRequest, error: PantheonError) -> JsonResponse:
    """Render an error of an API path that no DRF view handled."""
    body = error.as_dict(getattr(request, "request_id", None))
    return JsonResponse(body, status=error.http_status, headers=error.headers)


def error_page(request: HttpRequest, error: PantheonError) -> HttpResponse:
    """Show an error to a person, with its status."""
    context = {"error": error, "request_id": getattr(request, "request_id", "")}
    response = render(request, "error.html", context, status=error.http_status)
    for name, value in error.headers.items():
        response[name] = value
    return response
