"""The servers of the tests: real, reachable through their URLs, gone when the command is."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis
import testservers


@pytest.fixture(autouse=True)
def none_given(monkeypatch, tmp_path):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)


def test_urls_lead_to_real_servers():
    with testservers.servers() as urls:
        with psycopg.connect(urls["DATABASE_URL"]) as connection:
            row = connection.execute("select lower('ÄB'), current_setting('max_connections')").fetchone()
        with redis.Redis.from_url(urls["REDIS_URL"]) as client:
            client.xadd("log", {"a": "b"})
            assert client.xlen("log") == 1
    assert row == ("äb", "300")


def test_given_urls_are_used(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://somebody@127.0.0.1:1/x")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/3")
    with testservers.servers() as urls:
        assert urls == {
            "DATABASE_URL": "postgres://somebody@127.0.0.1:1/x",
            "REDIS_URL": "redis://127.0.0.1:1/3",
        }


def test_the_commands_exit_code_is_passed_on():
    assert _run("raise SystemExit(3)").wait(60) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="children die with their parent on Linux only")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_it_is_stopped(number, tmp_path):
    started = tmp_path / "started"
    process = _run(f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep(60)", tmp_path)
    _wait_until(started.exists)
    servers = _processes_in(tmp_path)
    assert len(servers) >= 2

    process.send_signal(number)
    process.wait(20)

    _wait_until(lambda: not any(pid in _processes_in(tmp_path) for pid in servers))
    if number != signal.SIGKILL:
        assert not list(tmp_path.glob("pantheon-*"))


def _run(code: str, temporary: Path | None = None) -> subprocess.Popen[bytes]:
    if temporary:
        for directory in (temporary, *temporary.parents[:3]):
            if directory.stat().st_uid == os.geteuid() and directory != Path("/"):
                directory.chmod(0o755)  # as root the server runs as another user
    return subprocess.Popen(
        [sys.executable, testservers.__file__, "--", sys.executable, "-c", code],
        env={**os.environ, **({"TMPDIR": str(temporary)} if temporary else {})},
        stdin=subprocess.DEVNULL,
    )


def _processes_in(directory: Path) -> set[int]:
    """The processes whose working directory is below `directory`."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(entry / "cwd")).is_relative_to(directory):
                found.add(int(entry.name))
        except OSError:
            continue
    return found


def _wait_until(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
