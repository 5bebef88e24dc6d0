"""One HTTP/1.1 request and its response, written piece by piece, while checking that the client is connected."""

from __future__ import annotations

import asyncio
import socket
import struct
from http import HTTPStatus

from orchestration.tests.providers.answers import Gate, Served

POLL_S = 0.003


class HungUp(Exception):
    """The client disconnected."""


class Broken(Exception):
    """The connection was cut on purpose."""


class Exchange:
    """One request and its response, written piece by piece."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: Served) -> None:
        self._reader = reader
        self._writer = writer
        self.served = served

    def check(self) -> None:
        """Raise HungUp if the client has disconnected."""
        if self._reader.at_eof() or self._writer.transport.is_closing():
            raise HungUp

    async def pause(self, seconds: float) -> None:
        """Wait, unless the client has disconnected."""
        ends = asyncio.get_running_loop().time() + seconds
        while (left := ends - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(min(left, POLL_S))
            self.check()

    async def hold(self, gate: Gate) -> None:
        gate.reach()
        while not gate.is_open:
            await self.pause(POLL_S)

    async def write(self, data: bytes) -> None:
        self.check()
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError as error:
            raise HungUp from error

    async def head(self, status: int, headers: dict[str, str]) -> None:
        reason = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Overloaded"
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
        self.served.status = status
        await self.write("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def chunk(self, data: bytes) -> None:
        await self.write(b"%x\r\n%s\r\n" % (len(data), data))

    async def whole(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Send a complete response."""
        await self.head(status, {**headers, "content-length": str(len(body))})
        await self.write(body)

    async def cut(self, *, reset: bool) -> None:
        """Cut the connection."""
        if reset:
            sock: socket.socket = self._writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()
        else:
            self._writer.close()
        raise Broken
