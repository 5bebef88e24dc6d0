"""Open event streams use neither threads nor connections nor places of a web process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from django.db import connection

from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.tests.factories import bearer, make_agent, make_session
from sessions.tests.support.server_process import ServerProcess, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

READERS = 80
MOST_THREADS = 60


def threads_of(server: ServerProcess) -> int:
    """Return the threads of the server's process that has most of them."""
    master = psutil.Process(server.pid)
    return max(process.num_threads() for process in (master, *master.children(recursive=True)))


def connections_to_database() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def test_readers_hold_no_thread(alice, openai_model, openai_server: OpenAIServer, tmp_path: Path) -> None:
    gate = Gate()
    openai_server.default = Answer(["Good ", "day."], at={1: Hold(gate)})
    session = make_session(alice, make_agent(alice, "ana", openai_model))
    with ServerProcess(tmp_path, bearer(alice), PANTHEON_STREAMS_PER_USER="0") as server:
        body = {"message": "hello", "background": True}
        turn = server.post(f"sessions/{session.pk}/turns", body)[1]
        gate.wait_until_reached()
        readers = [server.read(f"turns/{turn['id']}/events") for _ in range(READERS)]
        for reader in readers:
            reader.wait_for(lambda event: event.data.get("text") == "Good ")
        assert threads_of(server) < MOST_THREADS
        if connection.vendor == "postgresql":
            assert connections_to_database() < MOST_THREADS
        assert server.get(f"turns/{turn['id']}")[1]["status"] == "running"
        gate.open()
        for reader in readers:
            assert reader.wait()[-1].type == "turn.completed"
        until(lambda: server.get(f"turns/{turn['id']}")[1]["status"] == "completed")


def test_streams_and_waiting_requests_take_no_place(
    alice, openai_model, openai_server: OpenAIServer, tmp_path: Path
) -> None:
    gate = Gate()
    openai_server.default = Answer(["Good ", "day."], at={1: Hold(gate)})
    session = make_session(alice, make_agent(alice, "ana", openai_model))
    with (
        ServerProcess(tmp_path, bearer(alice), PANTHEON_REQUESTS_AT_ONCE_PER_USER="1") as server,
        ThreadPoolExecutor(1) as client,
    ):
        waiting = client.submit(server.post, f"sessions/{session.pk}/turns", {"message": "hello"})
        gate.wait_until_reached()
        turn = server.get(f"sessions/{session.pk}/turns")[1]["results"][0]
        reader = server.read(f"turns/{turn['id']}/events")
        reader.wait_for(lambda event: event.data.get("text") == "Good ")
        assert server.get(f"turns/{turn['id']}")[1]["status"] == "running"
        gate.open()
        assert waiting.result()[0] == 201
        assert reader.wait()[-1].type == "turn.completed"
