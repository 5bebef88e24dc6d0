"""A Redis of a test's own, which can be killed, stopped and restarted on the same port."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Self

import redis
from processes import dies_with_parent
from testservers import find_redis

from sessions.tests.support.server_process import free_port, until

PASSWORD = "sk-of-redis"


class RedisProcess:
    """Keeps nothing on disk: it is empty after a restart."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> Self:
        command = [
            str(find_redis()),
            "--bind",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--requirepass",
            PASSWORD,
        ]
        command += ["--save", "", "--appendonly", "no", "--dir", str(self._directory)]
        with (self._directory / f"redis-{self.port}.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGKILL),
            )
        until(self._answers)
        return self

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, socket_timeout=5, decode_responses=True)

    def kill(self) -> None:
        """`kill -9`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Keep connections open without responding."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()
