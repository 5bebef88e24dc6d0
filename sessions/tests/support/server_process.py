"""The real web server as a process on the test database, readers of its streams, and points to kill it at.

with ServerProcess(log_dir) as server:
    server.post(f"sessions/{session.pk}/turns", {"message": "Hello", "background": True})
    server.kill()
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import connection
from processes import beat_command, dies_with_parent, worker_command

from sessions.tests.support.sse import Sse

START_TIMEOUT_S = 60.0
POLL_S = 0.02
ANSWER_TIMEOUT_S = 30.0
LEASE_S = 3.0

COMMAND = (
    *(
        sys.executable,
        "-m",
        "gunicorn",
        "-c",
        "python:pantheon.gunicorn",
        "-k",
        "asgi",
        "--no-control-socket",
    ),
    "pantheon.asgi:application",
)
"""The command that bin/run starts."""

_names = itertools.count(1)


def until(is_so: Callable[[], object], *, timeout_s: float = 30.0) -> None:
    """Wait for a condition that another process causes, by polling."""
    clock = threading.Event()
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, "what was waited for did not come"
        clock.wait(POLL_S)


def database_url() -> str:
    """Return the URL of the database that this test runs on."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ChildProcess:
    """A Pantheon process on the test database, in a process group with its own children."""

    def __init__(self, directory: Path, command: Sequence[str], **environment: str) -> None:
        self.log_path = directory / f"process-{next(_names)}.log"
        self._command = command
        self._environment = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "DATABASE_URL": database_url(),
            "REDIS_URL": "",  # the embedded setup: turns run in the web process
            "PANTHEON_LEASE_S": str(LEASE_S),
            "PANTHEON_RECOVER_EVERY_S": "0.2",
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start the processes; call `wait_until_up` before sending requests."""
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=settings.BASE_DIR,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGKILL),
            )
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def wait_until_up(self) -> Self:
        until(self._is_up_or_broken, timeout_s=START_TIMEOUT_S)
        return self

    def _is_up_or_broken(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        return self.is_up()

    def is_up(self) -> bool:
        raise NotImplementedError

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all processes of the group at once."""
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def stop(self) -> int:
        """Send SIGTERM to the first process alone and return its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(ANSWER_TIMEOUT_S)

    def wait(self) -> int:
        """Return the exit code of a process that ends by itself."""
        assert self._process is not None
        return self._process.wait(ANSWER_TIMEOUT_S)

    def kill(self) -> None:
        """`kill -9` the whole group."""
        if self._process is not None and self._process.poll() is None:
            self.signal(signal.SIGKILL)
            self._process.wait()
            # The others are not our children.
            until(self.is_gone)
        self._process = None

    def is_gone(self) -> bool:
        return True

    def log(self) -> str:
        return self.log_path.read_text()

    def __enter__(self) -> Self:
        return self.start().wait_until_up()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if error is not None:
            print(self.log())  # noqa: T201  (pytest shows it with the failure)


class ServerProcess(ChildProcess):
    """A web server: gunicorn's master and its one worker."""

    def __init__(
        self, directory: Path, authorization: str, command: Sequence[str] = COMMAND, **environment: str
    ) -> None:
        self.port = free_port()
        self.authorization = authorization
        super().__init__(directory, command, PORT=str(self.port), **environment)

    def is_up(self) -> bool:
        try:
            return self.get("health")[0] == 200
        except OSError:
            return False

    def is_gone(self) -> bool:
        """Whether nothing listens on the port any more."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) != 0

    # --- Requests -----------------------------------------------------------------------------------------------------

    def get(self, path: str) -> tuple[int, Any]:
        return self._request("GET", path)

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        return self._request("POST", path, json.dumps(body))

    def read(self, path: str, *, after: int | None = None) -> Reader:
        """Start reading a stream of events, like a browser that has the events up to `after`."""
        headers = {"Authorization": self.authorization}
        if after is not None:
            headers["Last-Event-ID"] = str(after)
        return Reader(self.port, f"/api/v1/{path}", headers)

    def _request(self, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_TIMEOUT_S)
        headers = {"Authorization": self.authorization, "Content-Type": "application/json"}
        try:
            client.request(method, f"/api/v1/{path}", body, headers)
            response = client.getresponse()
            return response.status, json.loads(response.read())
        finally:
            client.close()


class CeleryProcess(ChildProcess):
    """A worker, or beat."""

    def __init__(self, directory: Path, role: str, **environment: str) -> None:
        self.role = role
        super().__init__(directory, worker_command() if role == "worker" else beat_command(), **environment)

    def is_up(self) -> bool:
        return ("ready." if self.role == "worker" else "beat: Starting...") in self.log()


class Reader:
    """Reads a stream of events in a thread, until it ends or is cut."""

    def __init__(self, port: int, path: str, headers: dict[str, str]) -> None:
        self.events: list[Sse] = []
        self.over = threading.Event()
        self._client = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_TIMEOUT_S)
        self._client.request("GET", path, headers=headers)
        self._socket: socket.socket = self._client.sock
        self.response = self._client.getresponse()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        number = 0
        try:
            for raw in self.response:
                name, _, value = raw.decode().rstrip("\n").partition(": ")
                if name == "id":
                    number = int(value)
                elif name == "data":
                    self.events.append(Sse(number, json.loads(value)))
        except (OSError, http.client.HTTPException):
            pass  # the server was killed
        finally:
            self._client.close()
            self.over.set()

    @property
    def last_id(self) -> int:
        return self.events[-1].id if self.events else 0

    def wait_for(self, found: Callable[[Sse], bool]) -> None:
        """Return once a matching event was read."""
        until(lambda: any(found(event) for event in list(self.events)), timeout_s=ANSWER_TIMEOUT_S)

    def hang_up(self) -> None:
        """Close the connection, like a browser that loses its network."""
        sock = socket.socket(fileno=os.dup(self._socket.fileno()))
        with sock:
            sock.shutdown(socket.SHUT_RDWR)
        assert self.over.wait(ANSWER_TIMEOUT_S)

    def wait(self) -> list[Sse]:
        """Return all events after the stream has ended."""
        assert self.over.wait(ANSWER_TIMEOUT_S), [event.type for event in self.events]
        return self.events
