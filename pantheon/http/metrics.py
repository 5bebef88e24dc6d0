"""Request logging and metrics: a log line per request, counters and durations, and /metrics for Prometheus."""

from __future__ import annotations

import hmac
import logging
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import structlog
from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from accounts.api.base import ApiView
from accounts.api.permissions import StaffWithPermission
from accounts.models import User
from sessions.models import Turn

log = logging.getLogger("pantheon.requests")

METRICS = "metrics"
"""The value of `request.auth` for the metrics token."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUESTS = Counter("pantheon_http_requests", "Requests answered.", ["method", "view", "status"])
SECONDS = Histogram(
    "pantheon_http_request_seconds",
    "Seconds until the response starts; long for requests that wait for a turn.",
    ["view"],
)


@sync_and_async_middleware
def metrics_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Count and log every request, and add its id to all log lines written during it."""
    if iscoroutinefunction(get_response):

        async def handle_async(request: HttpRequest) -> HttpResponseBase:
            started = bind_request(request)
            response: HttpResponseBase = await get_response(request)
            return record_response(request, response, started)

        return handle_async

    def handle(request: HttpRequest) -> HttpResponseBase:
        started = bind_request(request)
        return record_response(request, get_response(request), started)

    return handle


def bind_request(request: HttpRequest) -> float:
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request.request_id)  # type: ignore[attr-defined]
    return time.perf_counter()


def record_response(request: HttpRequest, response: HttpResponseBase, started: float) -> HttpResponseBase:
    seconds = time.perf_counter() - started
    view = request.resolver_match.view_name if request.resolver_match else "none"
    method = request.method if request.method in METHODS else "other"
    REQUESTS.labels(method, view, response.status_code).inc()
    SECONDS.labels(view).observe(seconds)
    # Not the path: it may contain a secret, such as that of an invitation.
    fields = {"method": method, "view": view, "status": response.status_code, "ms": round(seconds * 1000)}
    log.info("request", extra=fields | user_of(request))
    return response


def user_of(request: HttpRequest) -> dict[str, str]:
    """Return the user's id if the view has already loaded the user; never load it here, which costs a query."""
    attributes = request.__dict__
    for user in (attributes.get("_cached_user"), attributes.get("user")):
        if type(user) is User:
            return {"user_id": str(user.pk)}
    return {}


class ActiveTurns:
    """Collector of queued and running turns, counted at each scrape."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        gauge = GaugeMetricFamily(
            "pantheon_turns_active", "Turns that are queued or running.", labels=["status"]
        )
        counts = dict(Turn.objects.active().order_by().values_list("status").annotate(turns=Count("pk")))
        for status in Turn.ACTIVE:
            gauge.add_metric([status], counts.get(status, 0))
        yield gauge


class MetricsToken(BaseAuthentication):
    """Authenticate `Authorization: Bearer <PANTHEON_METRICS_TOKEN>`, as an anonymous user who may read metrics."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, str] | None:
        token = settings.PANTHEON_METRICS_TOKEN
        header = get_authorization_header(request)
        if not token or not hmac.compare_digest(header, f"Bearer {token}".encode()):
            return None
        return AnonymousUser(), METRICS

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Pantheon"'


class MayReadMetrics(StaffWithPermission):
    """Allow the metrics token, and staff with the permission."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.auth == METRICS:
            return True
        return bool(request.user.is_authenticated) and super().has_permission(request, view)


class MetricsView(ApiView):
    """The metrics of this machine's processes, for `PANTHEON_METRICS_TOKEN` and for staff."""

    authentication_classes = (MetricsToken, *ApiView.authentication_classes)
    permission_classes = (MayReadMetrics,)
    staff_permissions: ClassVar = {"GET": "billing.view_usageevent"}
    refusal = "Metrics are for administrators."

    def get(self, request: Request) -> HttpResponse:
        registry: CollectorRegistry = REGISTRY
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
        now = CollectorRegistry()
        now.register(ActiveTurns())
        return HttpResponse(
            generate_latest(registry) + generate_latest(now), content_type=CONTENT_TYPE_LATEST
        )
