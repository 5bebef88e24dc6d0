"""`bin/run --production`: starts all processes, restarts those that die, stops all of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from orchestration.tests.providers import Answer, OpenAIServer
from sessions.models import Turn
from sessions.tests.factories import bearer, make_agent, make_session
from sessions.tests.support.ledger import assert_ledger_matches
from sessions.tests.support.redis_process import RedisProcess
from sessions.tests.support.server_process import ServerProcess, free_port, until

pytestmark = pytest.mark.django_db(transaction=True)

RUN = ("bash", "bin/run", "--production")
needs_postgres = pytest.mark.skipif(
    settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"), reason="workers need PostgreSQL"
)


@pytest.fixture
def production(alice, tmp_path) -> Iterator[ServerProcess]:
    """All processes, started and up."""
    with RedisProcess(tmp_path) as redis_server:
        server = ServerProcess(tmp_path, bearer(alice), RUN, REDIS_URL=redis_server.url, WEB_CONCURRENCY="2")
        server.start()
        try:
            server.wait_until_up()
            yield server
        finally:
            for pid in descendants(server.pid):
                os.kill(pid, signal.SIGKILL)
            server.kill()
            print(server.log())  # noqa: T201  (shown where the test failed)


def children(pid: int) -> list[int]:
    shown = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in shown.stdout.splitlines()]
    return [child for child, parent in pairs if parent == pid]


def descendants(pid: int) -> list[int]:
    found = children(pid)
    return found + [pid for child in found for pid in descendants(child)]


def command(pid: int) -> str:
    shown = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True)
    return shown.stdout


def child_of(production: ServerProcess, role: str) -> int | None:
    """Return the process of a role that runs."""
    return next((pid for pid in children(production.pid) if role in command(pid)), None)


def kill_when_up(production: ServerProcess, role: str) -> int:
    """`kill -9` the process of a role; return which it was, once its children have ended too.

    Gunicorn's workers answer for a moment longer, and would be taken for those of the next gunicorn.
    """
    until(lambda: child_of(production, role), timeout_s=60)
    pid = child_of(production, role)
    assert pid is not None
    orphans = descendants(pid)
    os.kill(pid, signal.SIGKILL)
    until(lambda: child_of(production, role) != pid)
    until(gone(orphans))
    return pid


def gone(pids: list[int]) -> Callable[[], bool]:
    return lambda: not any(command(pid) for pid in pids)


@needs_postgres
def test_all_processes_start_work_and_stop(
    production, alice, openai_model, openai_server: OpenAIServer
) -> None:
    openai_server.default = Answer("Hello.")
    session = make_session(alice, make_agent(alice, "ana", openai_model))
    status, turn = production.post(f"sessions/{session.pk}/turns", {"message": "Hi"})
    assert (status, turn["status"]) == (201, "completed")
    assert Turn.objects.get().claim == 1
    assert_ledger_matches(openai_server)

    pids = descendants(production.pid)
    text = " ".join(command(pid) for pid in pids)
    for part in ("gunicorn", "celery -A pantheon --quiet worker", "celery -A pantheon --quiet beat"):
        assert part in text
    assert production.stop() == 0
    until(gone(pids))
    assert production.is_gone()


@needs_postgres
@pytest.mark.parametrize("role", ["gunicorn", "quiet worker", "quiet beat"])
def test_one_that_dies_is_started_again(
    production, alice, openai_model, openai_server: OpenAIServer, role
) -> None:
    before = children(production.pid)
    victim = kill_when_up(production, role)
    others = [pid for pid in before if pid != victim]
    until(lambda: child_of(production, role) not in (None, victim), timeout_s=60)
    until(production.is_up, timeout_s=60)
    assert set(others) < set(children(production.pid))
    assert "ended with code -9; restarting in 0.5 s" in production.log()
    openai_server.default = Answer("Hello.")
    session = make_session(alice, make_agent(alice, "ana", openai_model))
    status, turn = production.post(f"sessions/{session.pk}/turns", {"message": "Hi"})
    assert (status, turn["status"]) == (201, "completed")
    pids = descendants(production.pid)
    assert production.stop() == 0
    until(gone(pids))


@needs_postgres
def test_a_process_that_keeps_dying_stops_no_other(
    production, alice, openai_model, openai_server: OpenAIServer
) -> None:
    assert production.get("ready")[1]["checks"]["processes"] == "ok"
    web = child_of(production, "gunicorn")
    for _ in range(4):
        kill_when_up(production, "quiet worker")
    until(lambda: production.log().count("worker 1 ended with code -9; restarting in") == 4)
    assert child_of(production, "gunicorn") == web
    session = make_session(alice, make_agent(alice, "ana", openai_model))
    openai_server.default = Answer("Hello.")
    # Without a worker turns are accepted all the same, and wait for the next.
    status, turn = production.post(f"sessions/{session.pk}/turns", {"message": "Hi", "background": True})
    assert status == 202
    status, ready = production.get("ready")
    assert (status, ready["status"], ready["checks"]["processes"]) == (200, "ok", "restarting: worker 1")
    until(lambda: production.get(f"turns/{turn['id']}")[1]["status"] == "completed", timeout_s=60)
    assert_ledger_matches(openai_server)


@needs_postgres
def test_a_stop_does_not_wait_for_the_next_start(production) -> None:
    for _ in range(3):
        kill_when_up(production, "quiet beat")
    pids = descendants(production.pid)
    assert production.stop() == 0
    until(gone(pids))


@needs_postgres
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's end")
def test_nothing_outlives_a_supervisor_that_is_killed(production) -> None:
    pids = descendants(production.pid)
    os.kill(production.pid, signal.SIGKILL)
    until(gone(pids))


@pytest.mark.parametrize(
    ("url", "cure"),
    [("", "DATABASE_URL=postgres://"), ("redis://127.0.0.1:1/0", "DATABASE_URL=postgres://")],
)
def test_what_is_missing_is_named_and_nothing_starts(tmp_path: Path, url, cure) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "REDIS_URL": url,
        "PORT": str(free_port()),
    }
    ran = subprocess.run(RUN, cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True)
    assert ran.returncode == 1
    assert cure in ran.stderr
    assert ("REDIS_URL=redis://" in ran.stderr) == (not url)
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "db.sqlite3").exists()
