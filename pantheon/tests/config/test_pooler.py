"""A connection pooler between Pantheon and PostgreSQL is found out, and the setting that it needs is named."""

from __future__ import annotations

import os
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection

from sessions.tests.support.server_process import database_url

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="about PostgreSQL"),
]

KEY_DATA = b"K\x00\x00\x00\x0c"
"""Head of the server's message with its process id, after which a client can cancel queries."""


class Pooler(socketserver.BaseRequestHandler):
    """Passes a connection on, and announces a process id of its own, as PgBouncer does."""

    def handle(self) -> None:
        url = urlsplit(database_url())
        with socket.create_connection((url.hostname, url.port or 5432)) as server:
            threading.Thread(target=self.pass_on, args=(self.request, server), daemon=True).start()
            self.pass_on(server, self.request)

    def pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):  # either side may have closed its connection already
            while data := source.recv(65_536):
                before, head, after = data.partition(KEY_DATA)
                target.sendall(before + head + (b"\x7f\xff\xff\xff" + after[4:] if head else after))
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def pooled_url() -> Iterator[str]:
    """Yield the URL of the test database behind a pooler."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Pooler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = urlsplit(database_url())
        user, at, _ = url.netloc.rpartition("@")
        yield urlunsplit(url._replace(netloc=f"{user}{at}127.0.0.1:{server.server_address[1]}"))
        server.shutdown()


def check(url: str) -> str:
    ran = subprocess.run(
        [sys.executable, "manage.py", "check", "--database", "default"],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stderr


def test_a_pooler_is_found_and_its_setting_named(pooled_url: str) -> None:
    assert "pantheon.W005" in (warned := check(pooled_url))
    assert "Add ?DISABLE_SERVER_SIDE_CURSORS=true to DATABASE_URL" in warned


@pytest.mark.parametrize("value", ["true", "false"])
def test_one_with_the_setting_is_not(pooled_url: str, value: str) -> None:
    assert "pantheon.W005" not in check(f"{pooled_url}?DISABLE_SERVER_SIDE_CURSORS={value}")


def test_a_server_without_a_pooler_is_not() -> None:
    assert "pantheon.W005" not in check(database_url())
