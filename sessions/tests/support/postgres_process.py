"""A PostgreSQL of a test's own, which can be stopped, killed and restarted on the same port with its data."""

from __future__ import annotations

import signal
import subprocess
from contextlib import ExitStack
from typing import Self

import psycopg
from processes import dies_with_parent
from testservers import Cluster, postgres_cluster

from sessions.tests.support.server_process import free_port, until

STOP_TIMEOUT_S = 20.0


class PostgresProcess:
    """A server on a cluster in a temporary directory."""

    def __init__(self) -> None:
        self.port = free_port()
        self._stack = ExitStack()
        self._cluster: Cluster | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def cluster(self) -> Cluster:
        assert self._cluster is not None
        return self._cluster

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        return self.cluster.url(self.port)

    def start(self) -> Self:
        """Start the server, and return when it accepts connections: after a crash it recovers first."""
        with (self.cluster.directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self.cluster.command(self.port), "-c", "synchronous_commit=on"],  # a crash loses no commit
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.cluster.directory,
                start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGQUIT),
                **self.cluster.popen,
            )
        until(self._answers)
        return self

    def _answers(self) -> bool:
        try:
            self.cluster.connect(self.port)
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, *, crash: bool = False) -> None:
        """End connections in order (PostgreSQL's fast shutdown), or all at once as a crash does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT if crash else signal.SIGINT)
            self._process.wait(STOP_TIMEOUT_S)
            self._process = None

    def __enter__(self) -> Self:
        self._cluster = self._stack.enter_context(postgres_cluster())
        return self.start()

    def __exit__(self, *_: object) -> None:
        with self._stack:
            self.stop()
