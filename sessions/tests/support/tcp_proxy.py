"""A TCP proxy on loopback that can hang its open connections: they pass no more data, and stay open."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self


class Proxy:
    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._hung = threading.Event()
        self._sockets: list[socket.socket] = []

    def hang(self) -> None:
        """Hang the current connections; later ones work."""
        self._hung.set()
        self._hung = threading.Event()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed at the end
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += (client, server)
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._forward, args=(*pair, self._hung), daemon=True).start()

    @staticmethod
    def _forward(source: socket.socket, sink: socket.socket, hung: threading.Event) -> None:
        with suppress(OSError):  # either side closed
            while data := source.recv(65_536):
                if hung.is_set():
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
