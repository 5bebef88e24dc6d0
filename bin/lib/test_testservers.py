"""The test servers are real, reachable through their URLs, and stop with the command."""

import os
import shutil
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
def none_given(monkeypatch):
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
    process = _run(f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep(60)")
    _wait_until(started.exists)
    children = _children_of(process.pid)
    directories = {path for pid in children if "pantheon-" in str(path := _directory_of(pid))}
    assert len(children) == 3  # PostgreSQL, Redis, the command
    assert len(directories) == 2

    process.send_signal(number)
    process.wait(20)

    _wait_until(lambda: not any(_is_running(pid) for pid in children))
    if number == signal.SIGKILL:
        for directory in directories:
            shutil.rmtree(directory)
    assert not any(directory.exists() for directory in directories)


def _run(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, testservers.__file__, "--", sys.executable, "-c", code], stdin=subprocess.DEVNULL
    )


def _children_of(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _directory_of(pid: int) -> Path:
    # PostgreSQL changes into its data directory.
    cwd = Path(os.readlink(f"/proc/{pid}/cwd"))
    return cwd.parent if cwd.name == "data" else cwd


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _wait_until(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
