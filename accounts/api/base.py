"""Base classes of API views: JSON whatever `Accept` says, and support for chunked request bodies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.api.permissions import SignedInWithScope, StaffWithPermission
from accounts.models import ApiToken
from accounts.throttling import rate_limit_headers


class AlwaysJson(DefaultContentNegotiation):
    """Use the first renderer whatever `Accept` says: clients ask for a stream in the body or by URL."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class ApiView(APIView):
    """Base of every API view. Views with write methods set `write_scope`, the token scope that these need."""

    content_negotiation_class = AlwaysJson
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    throttles: list[Any] | None = None

    def get_throttles(self) -> list[Any]:
        """Return this request's throttles. They are created once because `finalize_response` reads their counts."""
        if self.throttles is None:
            self.throttles = self.throttles_of_request()
        return self.throttles

    def throttles_of_request(self) -> list[Any]:
        return super().get_throttles()

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        for name, value in rate_limit_headers(self.throttles or ()).items():
            response[name] = value
        return super().finalize_response(request, response, *args, **kwargs)

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        # DRF treats a request without Content-Length as empty, but a chunked request has a body.
        if isinstance(request, ASGIRequest) and not request.META.get("CONTENT_LENGTH"):
            request.META["CONTENT_LENGTH"] = str(received_bytes(request))
        return super().initialize_request(request, *args, **kwargs)


class AdminApiView(ApiView):
    """Base of views for staff."""

    permission_classes = [SignedInWithScope, StaffWithPermission]
    write_scope = ApiToken.Scope.ADMIN
    staff_permissions: ClassVar[Mapping[str, str]] = {}
    """HTTP method -> permission, for every method of the view."""
    refusal = "Only staff with the permission for it may do this."


def received_bytes(request: ASGIRequest) -> int:
    """Return the length of the body, which Django's ASGI handler has read completely before it calls the view."""
    stream: Any = request._stream
    size: int = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return size
