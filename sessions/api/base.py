"""DRF views that stream or wait: checks and handlers run on a thread, waiting needs none."""

from __future__ import annotations

from collections.abc import Awaitable
from inspect import isawaitable
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase
from rest_framework.request import Request

from accounts.api.base import ApiView
from accounts.throttling import TURN_THROTTLES


class LimitedAsTurns(ApiView):
    """A view whose POST costs as much as a turn: it counts against the limits of turns, not of other requests."""

    def throttles_of_request(self) -> list[Any]:
        if self.request.method == "POST":
            return [throttle() for throttle in TURN_THROTTLES]
        return super().throttles_of_request()


def place_give_back(request: HttpRequest) -> None:
    """Let another request of the user be worked on while this one waits (`pantheon/http/user_limit.py`)."""
    if (give_back := getattr(request, "give_place_back", None)) is not None:
        give_back()


class AsyncAPIView(ApiView):
    """An ApiView whose handlers return a response or a coroutine that returns one.

    Checks and handler run on a database thread in one hop, since each hop between loop and threads costs as much as a
    small query. The coroutine is awaited on the event loop, where it may wait without a time limit.
    """

    view_is_async = True

    async def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:  # type: ignore[override]
        self.args, self.kwargs = args, kwargs
        self.request = drf_request = self.initialize_request(request, *args, **kwargs)
        self.headers = self.default_response_headers
        try:
            answer = await sync_to_async(self.handle)(drf_request, *args, **kwargs)
            if isawaitable(answer):
                place_give_back(request)
                response: Any = await answer
            else:
                response = answer
        except Exception as error:  # noqa: BLE001  (rendered by the one exception handler)
            response = await sync_to_async(self.handle_exception)(error)
        self.response = self.finalize_response(drf_request, response, *args, **kwargs)
        return self.response

    def handle(
        self, request: Request, *args: Any, **kwargs: Any
    ) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Check the request and call the handler for its method (on a database thread)."""
        self.initial(request, *args, **kwargs)
        method = (request.method or "").lower()
        handler = getattr(self, method, None) if method in self.http_method_names else None
        answer: HttpResponseBase | Awaitable[HttpResponseBase] = (handler or self.http_method_not_allowed)(
            request, *args, **kwargs
        )
        return answer
