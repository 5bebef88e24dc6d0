"""Django's middlewares, run on the event loop instead of in threads.

Under ASGI, Django runs each `process_request` and `process_response` in a thread, which costs more than the work
itself. The middlewares here neither query the database nor block, except in the cases that `may_block` names.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, BinaryIO

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.asgi import ASGIHandler
from django.http import FileResponse, HttpRequest, HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import cached_property
from whitenoise.middleware import WhiteNoiseMiddleware

from pantheon.http.credentials import has_bearer_token
from pantheon.http.unread_limit import UNREAD, UnreadResponse

SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")
PIECE_BYTES = 64 * 1024
"""Of a static file. Most are smaller."""
POLICY_ATTRIBUTES = ("_csp_config", "_csp_update", "_csp_replace", "_csp_exempt")
"""Attributes that django-csp's decorators set on a response with a policy of its own."""


class InlineMiddleware(MiddlewareMixin):
    """A middleware whose hooks run on the event loop."""

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.process_request(request) if hasattr(self, "process_request") else None
        if response is None:
            response = await self.get_response(request)  # type: ignore[misc]
        if not hasattr(self, "process_response"):
            return response
        if self.may_block(request):
            return await sync_to_async(self.process_response)(request, response)
        answer: HttpResponseBase = self.process_response(request, response)
        return answer

    def may_block(self, request: HttpRequest) -> bool:
        """Return whether `process_response` will write to the database."""
        return False


class BrowserMiddleware(InlineMiddleware):
    """A middleware that is skipped for requests with a bearer token."""

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        if has_bearer_token(request):
            response: HttpResponseBase = await self.get_response(request)  # type: ignore[misc]
            return response
        return await super().__acall__(request)


class InlineSecurity(InlineMiddleware, SecurityMiddleware):
    pass


class InlineCsp(InlineMiddleware, CSPMiddleware):
    """Build the policy of the settings once instead of per response, for requests with a bearer token."""

    @cached_property
    def policy(self) -> str:
        return str(build_policy())

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if has_bearer_token(request) and not any(hasattr(response, name) for name in POLICY_ATTRIBUTES):
            response.headers.setdefault(HEADER, self.policy)
            return response
        answer: HttpResponseBase = super().process_response(request, response)
        return answer


class InlineCommon(InlineMiddleware, CommonMiddleware):
    pass


class InlineXFrameOptions(InlineMiddleware, XFrameOptionsMiddleware):
    pass


class InlineAuthentication(BrowserMiddleware, AuthenticationMiddleware):
    """Never blocks: `request.user` is lazy, and the view's thread loads it."""


class InlineSession(BrowserMiddleware, SessionMiddleware):
    def may_block(self, request: HttpRequest) -> bool:
        return bool(request.session.modified)


class InlineMessages(BrowserMiddleware, MessageMiddleware):
    def may_block(self, request: HttpRequest) -> bool:
        messages: Any = getattr(request, "_messages", None)
        return messages is not None and bool(messages.used or messages.added_new)


class InlineCsrf(BrowserMiddleware, CsrfViewMiddleware):
    """Check unsafe methods in a thread: the error page of a refused request may load the user."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        if self.async_mode:
            self.process_view: Any = self.check_csrf

    async def check_csrf(self, request: HttpRequest, callback: Any, *args: Any) -> HttpResponseBase | None:
        process_view = super().process_view
        if request.method in SAFE_METHODS or getattr(callback, "csrf_exempt", False):
            return process_view(request, callback, *args)
        return await sync_to_async(process_view)(request, callback, *args)


class InlineWhiteNoise(WhiteNoiseMiddleware):
    """Serve static files in a thread. WhiteNoise itself would hold a thread for the whole of every request.

    A file is read while its client reads: Django would first read all of it into memory.
    """

    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        self.async_mode = iscoroutinefunction(get_response)
        if self.async_mode:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if self.async_mode and request.path_info in self.files:
            return self.serve_in_pieces(self.files[request.path_info], request)
        return self.get_response(request) if self.async_mode else super().__call__(request)

    async def serve_in_pieces(self, static_file: Any, request: HttpRequest) -> HttpResponseBase:
        response: FileResponse = await sync_to_async(self.serve)(static_file, request)
        if (file := response.file_to_stream) is not None:
            response.streaming_content = pieces_of_file(file)
        return response


async def pieces_of_file(file: BinaryIO) -> AsyncIterator[bytes]:
    """Yield a file; the response closes it."""
    while piece := await sync_to_async(file.read)(PIECE_BYTES):
        yield piece
        if len(piece) < PIECE_BYTES:
            return


INLINE = {
    "django.middleware.security.SecurityMiddleware": "pantheon.http.inline_middleware.InlineSecurity",
    "whitenoise.middleware.WhiteNoiseMiddleware": "pantheon.http.inline_middleware.InlineWhiteNoise",
    "csp.middleware.CSPMiddleware": "pantheon.http.inline_middleware.InlineCsp",
    "django.contrib.sessions.middleware.SessionMiddleware": "pantheon.http.inline_middleware.InlineSession",
    "django.middleware.common.CommonMiddleware": "pantheon.http.inline_middleware.InlineCommon",
    "django.middleware.csrf.CsrfViewMiddleware": "pantheon.http.inline_middleware.InlineCsrf",
    "django.contrib.auth.middleware.AuthenticationMiddleware": "pantheon.http.inline_middleware.InlineAuthentication",
    "django.contrib.messages.middleware.MessageMiddleware": "pantheon.http.inline_middleware.InlineMessages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware": "pantheon.http.inline_middleware.InlineXFrameOptions",
}
"""Middleware in the settings, where Django's checks look for it -> its replacement in the server."""


class InlineHandler(ASGIHandler):
    """Django's ASGI application with the inline middlewares."""

    def load_middleware(self, is_async: bool = False) -> None:
        configured = settings.MIDDLEWARE
        settings.MIDDLEWARE = [INLINE.get(name, name) for name in configured]
        try:
            super().load_middleware(is_async)
        finally:
            settings.MIDDLEWARE = configured

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await super().get_response_async(request)
        unread: UnreadResponse | None = getattr(request, "scope", {}).get(UNREAD)
        if unread is not None:
            unread.is_streamed = response.streaming
        return response
