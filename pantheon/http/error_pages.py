"""Django's error handlers: JSON under /api/ and /v1/, a page elsewhere."""

from __future__ import annotations

import sys

from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.http import HttpRequest, HttpResponse

from pantheon.config.hosts import unknown_host_message
from sessions.api.openai_compatible.errors import OPENAI_PREFIX, openai_error_response
from web.error_rendering import as_pantheon_error, body_too_large, error_page, json_error
from web.errors import NotFound, PantheonError

API_PREFIX = "/api/"
OPENAI_ADDRESSES = (
    "Unknown address. Use POST /v1/chat/completions, GET /v1/models or GET /v1/models/{id}. "
    "There is nothing else here."
)


def error_response(request: HttpRequest, error: PantheonError) -> HttpResponse:
    if request.path.startswith(OPENAI_PREFIX):
        return openai_error_response(error)
    if request.path.startswith(API_PREFIX):
        return json_error(request, error)
    return error_page(request, error)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return error_response(request, body_too_large())
    message = "The server could not understand this request."
    if isinstance(exception, DisallowedHost):
        message = unknown_host_message(request)
    return error_response(request, PantheonError("invalid_parameter", message))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_response(request, PantheonError("permission_denied", "You don't have access to this page."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(OPENAI_PREFIX):
        return error_response(request, PantheonError("not_found", OPENAI_ADDRESSES))
    return error_response(request, NotFound())


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer an exception that no view handled. Django calls this inside its `except` block."""
    exception = sys.exception()
    error = as_pantheon_error(exception) if isinstance(exception, Exception) else None
    if error is not None and error.code == "unavailable":
        return error_response(request, error)
    return error_response(request, PantheonError("internal_error", "Something went wrong on our side."))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return error_response(
        request,
        PantheonError("csrf_failed", "This form has expired. Go back, reload the page and send it again."),
    )
