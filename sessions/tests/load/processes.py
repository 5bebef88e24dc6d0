"""Processes of a load test: the production set, the model server, and the readers."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from signal import SIGKILL
from typing import Any, Self

from django.conf import settings
from processes import dies_with_parent

from sessions.tests.load.readers import Job, Report, Turn
from sessions.tests.support.server_process import ServerProcess

SUPERVISOR = (sys.executable, "bin/lib/processes.py")
UNLIMITED = {
    "PANTHEON_TOKEN_TURNS_PER_MINUTE": "0",
    "PANTHEON_TOKEN_TURNS_PER_HOUR": "0",
    "PANTHEON_TURNS_AT_ONCE_PER_USER": "0",
    "PANTHEON_REQUESTS_PER_MINUTE": "0",
}
"""One token sends all requests."""

DEFAULT_LEASES = {"PANTHEON_LEASE_S": "15", "PANTHEON_RECOVER_EVERY_S": "5"}
"""Pantheon's defaults; tests have shorter ones."""


@contextmanager
def running(
    directory: Path, authorization: str, *arguments: str, **environment: str
) -> Iterator[ServerProcess]:
    """Start bin/run with these arguments on a migrated database; stop all of it at the end."""
    environment = {**UNLIMITED, **DEFAULT_LEASES, **environment}
    server = ServerProcess(directory, authorization, (*SUPERVISOR, *arguments), **environment)
    with server:
        try:
            yield server
        finally:
            server.stop()


def production(
    directory: Path, authorization: str, *, redis_url: str, **environment: str
) -> AbstractContextManager[ServerProcess]:
    """Start two web processes, a worker and beat."""
    return running(
        directory, authorization, "--production", REDIS_URL=redis_url, WEB_CONCURRENCY="2", **environment
    )


class ModelServer:
    """The simulated models, in a process of their own."""

    def __init__(self, port: int = 0) -> None:
        self._process = subprocess.Popen(
            module("model_server", str(port)),
            cwd=settings.BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=dies_with_parent(SIGKILL),
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    def stats(self) -> dict[str, int]:
        """Return requests so far, how many are open, and the most that were open at once."""
        with urllib.request.urlopen(f"{self.origin}/stats", timeout=30) as response:
            found: dict[str, int] = json.load(response)
            return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


class JobProcess:
    """Readers that run a job, in a process of their own."""

    def __init__(self, job: Job) -> None:
        self._process = subprocess.Popen(
            module("readers"),
            cwd=settings.BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=dies_with_parent(SIGKILL),
        )
        assert self._process.stdin is not None
        with self._process.stdin as given:
            json.dump(asdict(job), given)
        self._process.stdin = None  # or communicate() would use it

    def report(self, timeout_s: float | None = None) -> Report | None:
        """Return the readers' results; None if they do not finish in time, then call it again."""
        try:
            output, _ = self._process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return None
        assert self._process.returncode == 0, "the readers failed"
        found = json.loads(output)
        return Report(**{**found, "turns": [Turn(**turn) for turn in found["turns"]]})


def run_job(job: Job) -> Report:
    """Run a job with readers; return their results."""
    report = JobProcess(job).report()
    assert report is not None
    return report


def turns_of(server: ServerProcess, *, authorization: str, room: str, model: str, **options: Any) -> Job:
    """Return a job that asks the agent named like its model, each time in a new session of a room."""
    return Job(
        f"http://127.0.0.1:{server.port}",
        authorization,
        "/api/v1/sessions/{session}/turns",
        {"message": f"@{model} hello there", "stream": True},
        sessions_path=f"/api/v1/rooms/{room}/sessions",
        **options,
    )


def completions_of(base_url: str, key: str, model: str, **options: Any) -> Job:
    """Return a job that asks an OpenAI-compatible server."""
    origin, separator, path = base_url.rstrip("/").partition("/v1")
    body = {
        "model": model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "hello there"}],
    }
    return Job(origin, f"Bearer {key}", f"{separator}{path}/chat/completions", body, **options)


def module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"sessions.tests.load.{name}", *arguments]
