"""Slow and silent clients at the real server are disconnected, without effect on others."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from pantheon.http.connections import ResponseWatch
from sessions.tests.support.server_process import ServerProcess

SLOW_S = 1.0
SENT_BYTES = 30_000_000
GIVEN_UP_S = 30.0
"""Time after which a test fails because a connection stayed open."""

pytestmark = pytest.mark.django_db(transaction=True)

SHOW = (
    "import resource; from pantheon.http.connections import raise_connection_limit; "
    "print(raise_connection_limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
)

HEAD = b"POST /api/v1/rooms HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    limits = {"PANTHEON_SLOW_REQUEST_S": str(SLOW_S), "GUNICORN_CMD_ARGS": "--worker-connections 20"}
    with ServerProcess(tmp_path, "", **limits) as server:
        yield server


def connected(server: ServerProcess, first: bytes = b"") -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port), timeout=GIVEN_UP_S)
    client.sendall(first)
    return client


def dripping(client: socket.socket, piece: bytes) -> bytes:
    """Send a chunk repeatedly until the server closes the connection; return its response."""
    clock = threading.Event()
    said = b""
    client.settimeout(SLOW_S / 5)
    for _ in range(int(GIVEN_UP_S / SLOW_S * 5)):
        try:
            client.sendall(piece)
            more = client.recv(1000)
        except TimeoutError:
            continue
        except OSError:  # data sent after the close is answered with a reset
            return said
        if not more:
            return said
        said += more
        clock.wait(0.01)
    raise AssertionError("the connection stayed open")


def rest(client: socket.socket) -> bytes:
    """Read until the server closes the connection. Raises TimeoutError if it does not."""
    said = b""
    while more := client.recv(1000):
        said += more
    return said


def test_a_silent_connection_is_closed(server: ServerProcess) -> None:
    with connected(server) as client:
        assert rest(client) == b""


def test_a_slow_head_is_ended(server: ServerProcess) -> None:
    with connected(server, b"GET /api/v1/health HTTP/1.1\r\n") as client:
        assert dripping(client, b"X: y\r\n").startswith(b"HTTP/1.1 408 ")


def test_a_slow_head_is_ended_on_a_connection_that_was_good_before(server: ServerProcess) -> None:
    request = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connected(server, request) as client:
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        client.sendall(b"GET /api/v1/health HTTP/1.1\r\n")
        assert dripping(client, b"X: y\r\n").startswith(b"HTTP/1.1 408 ")


def test_a_body_that_stops_is_ended(server: ServerProcess) -> None:
    with connected(server, HEAD + b"Content-Length: 1000\r\n\r\n{") as client:
        assert rest(client).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    ("framing", "piece"),
    [(b"Content-Length: 50000\r\n\r\n", b"x"), (b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n")],
    ids=["length", "chunks"],
)
def test_a_body_that_drips_is_ended(server: ServerProcess, framing: bytes, piece: bytes) -> None:
    with connected(server, HEAD + framing) as client:
        assert dripping(client, piece).startswith(b"HTTP/1.1 408 ")


def test_an_idle_connection_that_was_good_is_kept(server: ServerProcess) -> None:
    request = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connected(server, request) as client:
        client.settimeout(SLOW_S * 2)
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        with pytest.raises(TimeoutError):
            rest(client)
        client.sendall(request)
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_connections_beyond_the_limit_are_refused_and_the_others_served(server: ServerProcess) -> None:
    request = b"GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    kept = []
    for _ in range(20):
        client = connected(server, request)
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        kept.append(client)
    with connected(server) as one_more:
        assert rest(one_more).startswith(b"HTTP/1.1 503 ")
    kept.pop().close()
    with connected(server, request) as again:
        assert again.recv(1000).startswith(b"HTTP/1.1 200 ")
    for client in kept:
        client.close()


@pytest.mark.parametrize(("files", "connections"), [(1_024, 768), (100, 1), (16_384, 4_000)])
def test_a_process_takes_no_more_connections_than_it_may_open_files(files: int, connections: int) -> None:
    shown = subprocess.run(
        ["/bin/sh", "-c", f"ulimit -Sn 64 && ulimit -Hn {files} && exec {sys.executable} -c '{SHOW}'"],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == f"{connections} {files}\n"


class Sender(asyncio.Protocol):
    """Sends much at once, and watches how it is read."""

    def __init__(self, ended: asyncio.Future[bool]) -> None:
        self.ended = ended

    def connection_made(self, transport: Any) -> None:
        self.watch = ResponseWatch(asyncio.get_running_loop(), transport, 0.3)
        transport.write(b"x" * SENT_BYTES)
        transport.close()

    def pause_writing(self) -> None:
        self.watch.start()

    def resume_writing(self) -> None:
        self.watch.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        self.watch.stop()
        self.ended.set_result(True)


@pytest.mark.parametrize("reads", [True, False])
async def test_a_client_that_does_not_read_is_disconnected(reads: bool) -> None:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[bool] = loop.create_future()
    server = await loop.create_server(lambda: Sender(ended), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=500_000)
        read = 0
        if reads:
            while piece := await reader.read(1_000_000):
                read += len(piece)
                await asyncio.sleep(0.05)  # slow, but at work
        async with asyncio.timeout(GIVEN_UP_S):
            await ended
        writer.close()
    assert (read == SENT_BYTES) is reads
