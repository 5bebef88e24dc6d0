"""Liveness (GET health) and readiness (GET ready)."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import ApiView
from sessions.api.base import AsyncAPIView
from sessions.events.eventlog import event_log
from sessions.live.journal import JOURNALS, journal_state
from web.api.schema import operation
from web.api.shapes import Shape, mapping, one_of, text

log = logging.getLogger(__name__)

BROKER_TIMEOUT_S = 2.0


class HealthShape(Shape):
    # Rendered from the settings.
    status = one_of("Always `ok`.", "ok", of=lambda _: "ok")
    version = text("Pantheon's version.", of="VERSION")


class Readiness(NamedTuple):
    status: str
    checks: dict[str, str]


class ReadyShape(Shape):
    status = one_of("Whether turns are accepted.", "ok", "unavailable")
    checks = mapping(
        "Dependency of a turn -> `ok`, or what is wrong. `processes`, present if `bin/run` started several, "
        "names those that are restarting; the status stays `ok` because turns are still accepted and wait.",
        child=serializers.CharField(),
    )


class HealthView(AsyncAPIView):
    """Answer on the event loop, without database or thread: all threads may be waiting for the database."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    async def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:  # type: ignore[override]
        if request.method in ("GET", "HEAD"):
            return self.get(request)
        return await super().dispatch(request, *args, **kwargs)

    @operation("Check that the process is up", answers=HealthShape)
    def get(self, request: HttpRequest) -> HttpResponseBase:
        return JsonResponse(HealthShape.render(settings))


def check_database() -> str:
    """Run an UPDATE that matches no row: it fails on a read-only database, where turns cannot be accepted."""
    MigrationRecorder.Migration.objects.filter(app="").update(name="")
    return "ok"


def check_migrations() -> str:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return "ok" if not plan else f"{len(plan)} to apply"


def check_broker() -> str:
    """Write to the broker's Redis. `ok` without REDIS_URL: turns then run in the web process."""
    if settings.REDIS_URL:
        options = {"socket_connect_timeout": BROKER_TIMEOUT_S, "socket_timeout": BROKER_TIMEOUT_S}
        with Redis.from_url(settings.REDIS_URL, retry=Retry(NoBackoff(), 0), **options) as client:
            client.set("pantheon:ready", 1, ex=5)
    return "ok"


CHECKS: dict[str, Callable[[], str]] = {
    "database": check_database,
    "migrations": check_migrations,
    "broker": check_broker,
    "event_log": lambda: event_log.check(),
    "journal": journal_state.check,
}
"""Each check returns `ok` (the journal: its kind), returns what is wrong, or raises."""

GOOD = {"ok", *JOURNALS}


def processes_state() -> str | None:
    """Return which processes of bin/run are restarting; None without its supervisor, as with `--only`."""
    try:
        names = Path(os.environ["PANTHEON_RESTARTING"]).read_text().splitlines()
    except (KeyError, FileNotFoundError):
        return None
    return f"restarting: {', '.join(names)}" if names else "ok"


class ReadyView(ApiView):
    """Check everything that a turn needs."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @operation("Check that turns can run", answers={200: ReadyShape, 503: ReadyShape})
    def get(self, request: Request) -> Response:
        checks: dict[str, str] = {}
        ready = True
        for name, check in CHECKS.items():
            try:
                checks[name] = check()
            except (DatabaseError, InterfaceError, RedisError, OSError, RuntimeError) as error:
                log.warning("not ready: %s: %s", name, error)
                checks[name] = "failed"
            ready = ready and checks[name] in GOOD
        # Without workers, turns are still accepted and wait, so a load balancer must keep this web process.
        if (processes := processes_state()) is not None:
            checks["processes"] = processes
        readiness = Readiness("ok" if ready else "unavailable", checks)
        return Response(ReadyShape.render(readiness), status=200 if ready else 503)
