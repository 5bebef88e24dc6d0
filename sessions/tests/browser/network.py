"""A network between a browser and the server that a test can cut: open connections end, and new ones fail.

It knows the connections on which the browser reads events.
"""

from __future__ import annotations

import contextlib
import re
import selectors
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

EVENTS = re.compile(rb"GET /api/v1/turns/[^/ ]+/events[? ]")
REQUEST = re.compile(rb"[A-Z]+ /")


class Network(socketserver.ThreadingTCPServer):
    """Forwards bytes between its own port on loopback and the server's."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, server_port: int) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.server_port = server_port
        self.is_cut = threading.Event()
        self.sockets: set[socket.socket] = set()
        self.streams: set[socket.socket] = set()
        """The browser's connections whose last request is for events."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def cut(self) -> None:
        """End every connection, and each new one at once."""
        self.is_cut.set()
        for each in list(self.sockets):
            with contextlib.suppress(OSError):  # its other end was quicker
                each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self.is_cut.clear()


class Connection(socketserver.BaseRequestHandler):
    server: Network

    def handle(self) -> None:
        if self.server.is_cut.is_set():
            return
        with socket.create_connection(("127.0.0.1", self.server.server_port)) as upstream:
            ends = {self.request: upstream, upstream: self.request}
            self.server.sockets |= ends.keys()
            try:
                if not self.server.is_cut.is_set():
                    self.hand_on(ends)
            except OSError:
                pass  # one of the two is gone
            finally:
                self.server.sockets -= ends.keys()
                self.server.streams.discard(self.request)

    def hand_on(self, ends: dict[socket.socket, socket.socket]) -> None:
        with selectors.DefaultSelector() as selector:
            for end in ends:
                selector.register(end, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    assert isinstance(key.fileobj, socket.socket)
                    data = key.fileobj.recv(65_536)
                    if not data:
                        return
                    if key.fileobj is self.request:
                        self.note_request(data)
                    ends[key.fileobj].sendall(data)

    def note_request(self, data: bytes) -> None:
        if EVENTS.match(data):
            self.server.streams.add(self.request)
        elif REQUEST.match(data):
            self.server.streams.discard(self.request)


@contextmanager
def network(server_port: int) -> Iterator[Network]:
    with Network(server_port) as between:
        thread = threading.Thread(target=between.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield between
        finally:
            between.shutdown()
            between.cut()
            thread.join()
