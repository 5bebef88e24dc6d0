"""The fleet: two web processes, two workers and beat on a PostgreSQL and a Redis that can be restarted."""

from __future__ import annotations

import random
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from sessions.tests.support.postgres_process import PostgresProcess
from sessions.tests.support.redis_process import RedisProcess
from sessions.tests.support.server_process import CeleryProcess, ChildProcess, ServerProcess

WEB, WORKER, BEAT = "web", "worker", "beat"
SET = (WEB, WEB, WORKER, WORKER, BEAT)


class Fleet:
    """Processes by role. Changed by one thread; other threads may read `ports`."""

    def __init__(self, directory: Path, postgres: PostgresProcess, environment: dict[str, str]) -> None:
        self.postgres = postgres
        self.redis = RedisProcess(directory)
        self.running: dict[str, list[ChildProcess]] = {role: [] for role in SET}
        self.ports: tuple[int, ...] = ()
        """Ports of web processes that are not known to be gone."""
        self.logs: list[Path] = []
        self._directory = directory
        self._environment = environment
        self._stack = ExitStack()

    def start(self, *roles: str) -> None:
        """Start processes side by side; return when all of them are up."""
        new = [(role, self._new(role).start()) for role in roles]
        for role, process in new:
            self.running[role].append(process)  # from here on it is killed at the end
        for _, process in new:
            process.wait_until_up()
        self._note_ports()

    def _new(self, role: str) -> ChildProcess:
        environment = {**self._environment, "REDIS_URL": self.redis.url}
        process: ChildProcess = (
            ServerProcess(self._directory, "", **environment)
            if role == WEB
            else CeleryProcess(self._directory, role, **environment)
        )
        self.logs.append(process.log_path)
        return process

    def kill(self, role: str, draw: random.Random) -> float:
        """`kill -9` one process and start another; return the time of the kill, as seconds since the epoch."""
        process = self._take(role, draw)
        at = time.time()
        process.kill()
        self.start(role)
        return at

    def replace(self, role: str, draw: random.Random) -> int:
        """Start another process, then stop one, as a rolling restart does; return its exit code."""
        self.start(role)
        return self._take(role, draw).stop()

    def _take(self, role: str, draw: random.Random) -> ChildProcess:
        """Choose a process to end. Readers still hold its address, as browsers do."""
        processes = self.running[role]
        return processes.pop(draw.randrange(len(processes)))

    def _note_ports(self) -> None:
        self.ports = tuple(web.port for web in self.running[WEB] if isinstance(web, ServerProcess))

    def __enter__(self) -> Self:
        with self._stack:
            self._stack.enter_context(self.redis)
            self._stack.callback(self._kill_all)
            self.start(*SET)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _kill_all(self) -> None:
        for processes in self.running.values():
            for process in processes:
                process.kill()

    def stop(self) -> dict[str, int]:
        """Stop every process in order; return log name -> exit code for codes other than 0."""
        processes = [process for some in self.running.values() for process in some]
        codes = {process.log_path.name: process.stop() for process in processes}
        return {name: code for name, code in codes.items() if code not in (0, -signal.SIGTERM)}
