"""GET health and GET ready."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from processes import RESTARTING_VARIABLE

from accounts.tests.support.clients import client_of, make_user, refused
from sessions.events.redis_log import RedisEventLog
from web.cache import Outage

HEALTH, READY = "/api/v1/health", "/api/v1/ready"
ALL_OK = {**dict.fromkeys(("database", "migrations", "broker", "event_log"), "ok"), "journal": "database"}
ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def database_that_only_reads() -> Iterator[None]:
    """Make the database read-only, as with a full disk, a replica or missing permissions."""
    config, before = connection.settings_dict, dict(connection.settings_dict)
    if connection.vendor == "sqlite":
        config["NAME"] = f"file:{config['NAME']}?mode=ro"
    else:
        config["OPTIONS"] = {"options": "-c default_transaction_read_only=on"}
    connection.close()
    try:
        yield
    finally:
        connection.close()
        config.update(before)


@pytest.mark.both_runs  # a request passes the cache
class TestHealth:
    """Without the django_db mark, a query would fail."""

    def test_the_process_is_up(self, settings: Any) -> None:
        response = Client().get(HEALTH)
        assert response.status_code == 200
        assert response.json() == {"status": "ok", "version": settings.VERSION}

    def test_asks_for_nothing(self) -> None:
        for authorization in ("Bearer pn_wrong", "Basic nonsense"):
            client = Client(headers={"Authorization": authorization, "Accept": "text/plain"})
            assert client.get(HEALTH).status_code == 200
        assert Client().head(HEALTH).status_code == 200

    @pytest.mark.usefixtures("without_redis")
    def test_needs_no_redis(self) -> None:
        assert Client().get(HEALTH).status_code == 200

    def test_is_not_limited(self, settings: Any) -> None:
        settings.PANTHEON_REQUESTS_PER_MINUTE = 1
        assert {Client().get(HEALTH).status_code for _ in range(5)} == {200}

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
    def test_other_methods_are_405(self, method: str) -> None:
        for path in (HEALTH, READY):
            refused(getattr(Client(), method)(path), 405, "method_not_allowed")


NOWHERE = "redis://:sk-very-secret@127.0.0.1:1/0"
UNREACHABLE = {"default": {"BACKEND": "web.cache.SharedCache", "LOCATION": NOWHERE}}


@pytest.fixture
def without_redis(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Production settings with an unreachable Redis."""
    log = RedisEventLog(NOWHERE)
    settings.REDIS_URL, settings.CACHES = NOWHERE, UNREACHABLE
    monkeypatch.setattr("pantheon.http.health.event_log", log)
    monkeypatch.setattr("web.cache.outage", Outage())
    yield
    log.close()


@pytest.mark.django_db
class TestReady:
    def test_everything_answers(self) -> None:
        response = Client().get(READY)
        assert response.status_code == 200
        assert response.json() == {"status": "ok", "checks": ALL_OK}

    def test_asks_nobody_who_they_are(self) -> None:
        assert Client(headers={"Authorization": "Bearer pn_wrong"}).get(READY).status_code == 200

    def test_looks_without_leaving_a_trace(self) -> None:
        tables = set(connection.introspection.table_names())
        rows = list(MigrationRecorder.Migration.objects.order_by("pk").values())
        for _ in range(3):
            assert Client().get(READY).status_code == 200
        assert set(connection.introspection.table_names()) == tables
        assert list(MigrationRecorder.Migration.objects.order_by("pk").values()) == rows

    def test_a_missing_migration_is_503(self) -> None:
        newest = MigrationRecorder.Migration.objects.filter(app="billing").latest("name")
        MigrationRecorder(connection).record_unapplied("billing", newest.name)
        response = Client().get(READY)
        assert response.status_code == 503
        body = response.json()
        assert body["status"] == "unavailable"
        assert body["checks"].pop("migrations") == "1 to apply"
        assert body["checks"].items() <= ALL_OK.items()

    @pytest.mark.usefixtures("without_redis")
    def test_a_redis_that_is_gone_is_503(self) -> None:
        response = Client().get(READY)
        assert response.status_code == 503
        gone = {"broker": "failed", "event_log": "failed"}
        assert response.json() == {"status": "unavailable", "checks": {**ALL_OK, **gone}}
        assert "sk-very-secret" not in response.content.decode()

    @pytest.mark.usefixtures("without_redis")
    def test_requests_continue_without_redis_and_are_counted(
        self, settings: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        settings.PANTHEON_REQUESTS_PER_MINUTE = 3
        client = client_of(make_user("alice"))
        answers = [client.get("/api/v1/auth/me").status_code for _ in range(4)]
        assert answers == [200, 200, 200, 429]
        assert [record.name for record in caplog.records if record.levelname == "ERROR"] == ["web.cache"]
        assert "sk-very-secret" not in caplog.text

    @pytest.mark.parametrize(
        ("names", "told"),
        [("", "ok"), ("worker 1\n", "restarting: worker 1"), ("web\nbeat\n", "restarting: web, beat")],
    )
    def test_processes_that_bin_run_restarts_are_named_and_stop_no_other(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: str, told: str
    ) -> None:
        (tmp_path / "restarting").write_text(names)
        monkeypatch.setenv(RESTARTING_VARIABLE, str(tmp_path / "restarting"))
        response = Client().get(READY)
        assert response.status_code == 200
        assert response.json() == {"status": "ok", "checks": {**ALL_OK, "processes": told}}

    def test_nothing_is_reported_without_a_supervisor(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(RESTARTING_VARIABLE, str(tmp_path / "gone"))
        assert Client().get(READY).json() == {"status": "ok", "checks": ALL_OK}


@pytest.mark.django_db(transaction=True)
def test_a_database_that_only_reads_is_503() -> None:
    assert Client().get(READY).status_code == 200  # the journal is tried once, and works
    with database_that_only_reads():
        response = Client().get(READY)
    assert response.status_code == 503
    assert response.json() == {"status": "unavailable", "checks": {**ALL_OK, "database": "failed"}}
    assert Client().get(READY).status_code == 200


def test_without_a_database_the_process_is_up_and_not_ready(tmp_path: Path) -> None:
    """Run in a separate process whose database is in a missing directory."""
    script = """
import django, json
django.setup()
from django.test import Client
client = Client(headers={"Authorization": "Bearer pn_x"}, raise_request_exception=False)
answers = {path: client.get(path) for path in ("/api/v1/health", "/api/v1/ready", "/api/v1/agents")}
print(json.dumps({path: [answer.status_code, answer.json()] for path, answer in answers.items()}))
"""
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{tmp_path}/sk-very-secret/nowhere.sqlite3",
        "REDIS_URL": "",
        "PANTHEON_DATA_DIR": str(tmp_path / "data"),
        "PANTHEON_ALLOWED_HOSTS": "testserver",
    }
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    answers = json.loads(ran.stdout)
    assert answers[HEALTH][0] == 200
    status, body = answers[READY]
    assert (status, body["status"]) == (503, "unavailable")
    assert (body["checks"]["database"], body["checks"]["migrations"]) == ("failed", "failed")
    status, body = answers["/api/v1/agents"]
    assert (status, body["error"]["code"], body["error"]["retryable"]) == (503, "unavailable", True)
    assert "sk-very-secret" not in ran.stdout
