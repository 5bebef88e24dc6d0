"""DRF around an async handler: its parsing, authentication, throttling and error rendering, without its threads."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase
from rest_framework.request import Request

from accounts.api_base import ApiView
from accounts.throttling import TURN_THROTTLES


class LimitedAsTurns(ApiView):
    """A view whose POST asks models: it counts against the limits of turns, not of other requests."""

    def throttles_of_request(self) -> list[Any]:
        if self.request.method == "POST":
            return [throttle() for throttle in TURN_THROTTLES]
        return super().throttles_of_request()


class AsyncAPIView(ApiView):
    """An ApiView whose handlers are coroutines; what of DRF may touch the database runs in the request's thread."""

    async def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:  # type: ignore[override]
        self.args, self.kwargs = args, kwargs
        drf_request = self.initialize_request(request, *args, **kwargs)
        self.request = drf_request
        self.headers = self.default_response_headers
        try:
            await sync_to_async(self.initial)(drf_request, *args, **kwargs)
            method = (drf_request.method or "").lower()
            handler = getattr(self, method, None) if method in self.http_method_names else None
            response: Any = await (handler or self.refuse_method)(drf_request, *args, **kwargs)
        except Exception as error:  # noqa: BLE001  (rendered by the one exception handler)
            response = await sync_to_async(self.handle_exception)(error)
        self.response = await sync_to_async(self.finalize_response)(drf_request, response, *args, **kwargs)
        return self.response

    async def refuse_method(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.http_method_not_allowed(request)
        raise AssertionError("http_method_not_allowed raises")
