"""Is the process up, and can it work."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from web.api.shapes import one_of, text

log = logging.getLogger(__name__)

BROKER_TIMEOUT_S = 2.0


class HealthShape(serializers.Serializer[Any]):
    status = one_of("The process is up.", "ok")
    version = text("Pantheon's version.")


class ReadyShape(serializers.Serializer[Any]):
    status = one_of("Whether turns are accepted.", "ok", "unavailable")
    checks = serializers.DictField(
        child=serializers.CharField(),
        help_text="What a turn needs -> `ok`, or what is missing. `processes`, if `bin/run` started several, names "
        "those that ended and are restarting; the status stays `ok`, since turns are accepted and wait.",
    )


class HealthView(AsyncAPIView):
    """The process is up. Asks nothing of anything else, not even for a thread: all may be waiting for the database."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    async def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:  # type: ignore[override]
        if request.method in ("GET", "HEAD"):
            return self.get(request)
        return await super().dispatch(request, *args, **kwargs)

    @operation("Is the process up", answers=HealthShape)
    def get(self, request: HttpRequest) -> HttpResponseBase:
        return JsonResponse({"status": "ok", "version": settings.VERSION})


def check_database() -> str:
    """Change no row, which takes what changing one takes: a database that only reads cannot take a turn."""
    MigrationRecorder.Migration.objects.filter(app="").update(name="")
    return "ok"


def check_migrations() -> str:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return "ok" if not plan else f"{len(plan)} to apply"


def check_broker() -> str:
    """Write to the Redis that carries turns to the workers; where none is named turns run in the web process."""
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
"""Each says `ok` (the journal: which one it is), says what is missing, or raises."""

GOOD = {"ok", *JOURNALS}


def processes_state() -> str | None:
    """Say which processes of bin/run are restarting; None if no supervisor tells, as on several machines."""
    try:
        names = Path(os.environ["PANTHEON_RESTARTING"]).read_text().splitlines()
    except (KeyError, FileNotFoundError):
        return None
    return f"restarting: {', '.join(names)}" if names else "ok"


class ReadyView(ApiView):
    """Everything that a turn needs answers."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @operation("Can it work", answers={200: ReadyShape, 503: ReadyShape})
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
        # Without a worker turns are still accepted and wait: no reason to take the web process away.
        if (processes := processes_state()) is not None:
            checks["processes"] = processes
        return Response(
            {"status": "ok" if ready else "unavailable", "checks": checks}, status=200 if ready else 503
        )
