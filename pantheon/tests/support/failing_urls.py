"""URLs of views that fail, for tests of error responses."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import path
from redis.exceptions import ConnectionError as RedisConnectionError
from rest_framework.request import Request

from accounts.api.base import ApiView
from pantheon.urls import handler400, handler403, handler404, handler500
from pantheon.urls import urlpatterns as real_urls
from sessions.api.base import AsyncAPIView
from web.errors import PantheonError

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

SECRET = "sk-very-secret"
ERRORS: dict[str, Exception] = {
    "bug": ZeroDivisionError(SECRET),
    "database": OperationalError(f"connection to postgres://u:{SECRET}@db failed"),
    "connection": InterfaceError(f"the connection {SECRET} is closed"),
    "redis": RedisConnectionError(f"redis://:{SECRET}@cache"),
    "suspicious": SuspiciousOperation(SECRET),
    "ours": PantheonError("turn_in_progress", "Wait.", {"turn": 3}, headers={"Retry-After": "7"}),
}


class Failing(ApiView):
    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Request, name: str) -> Any:
        raise ERRORS[name]


class FailingAsync(AsyncAPIView):
    authentication_classes = ()
    permission_classes = ()

    async def get(self, request: Request, name: str) -> Any:
        raise ERRORS[name]


def failing_page(request: HttpRequest, name: str) -> HttpResponse:
    raise ERRORS[name]


def failing_plain_api(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError(SECRET)


urlpatterns = [
    path("api/v1/fails/<str:name>", Failing.as_view()),
    path("api/v1/fails-async/<str:name>", FailingAsync.as_view()),
    path("api/v1/fails-outside-drf", failing_plain_api),
    path("fails/<str:name>", failing_page),
    *real_urls,
]
