"""GET api/v1/schema: the OpenAPI document, generated once per process. GET api/v1/docs: Swagger UI for it."""

from __future__ import annotations

import functools
import threading
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import AlwaysJson, ApiView

_generating = threading.Lock()
"""drf-spectacular keeps state in its modules: two threads that generate at once break each other."""


def document() -> dict[str, Any]:
    """Return the OpenAPI document of this version."""
    with _generating:
        return _generated()


@functools.cache
def _generated() -> dict[str, Any]:
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return schema


class SchemaView(ApiView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        return Response(document())


class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI from our static files, without inline scripts and styles, which our CSP forbids."""

    title = "API · Pantheon"
    template_name = "api/docs.html"
    url_name = "api-schema"
    permission_classes = (AllowAny,)
    content_negotiation_class = AlwaysJson
    http_method_names = ["get", "head"]
