"""An HTTP/1.1 client connection on the bare transport, to cost a load test as little as possible."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any, Self, cast
from urllib.parse import urlsplit

LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding: *chunked")


class Client:
    """Makes requests one after the other, over one connection as long as it stays open."""

    def __init__(self, origin: str, authorization: str) -> None:
        self._netloc, self._authorization = urlsplit(origin).netloc, authorization
        self._connection: Connection | None = None

    async def post(self, path: str, body: dict[str, Any], take_line: Callable[[bytes], object]) -> int:
        """Return the status at the end of the response. Raises OSError if it breaks off."""
        if self._connection is None or self._connection.is_closed:
            host, _, port = self._netloc.rpartition(":")
            _, self._connection = await asyncio.get_running_loop().create_connection(
                Connection, host.strip("[]"), int(port)
            )
        content = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._netloc}\r\nAuthorization: {self._authorization}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        return await self._connection.exchange(head.encode() + content, take_line)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class Connection(asyncio.Protocol):
    """Passes on each line of a response as it arrives."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._begin(lambda line: None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @property
    def is_closed(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._transport.abort()

    async def exchange(self, request: bytes, take_line: Callable[[bytes], object]) -> int:
        self._begin(take_line)
        self._transport.write(request)
        return await self._over

    def _begin(self, take_line: Callable[[bytes], object]) -> None:
        self._take_line = take_line
        self._over: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._received = self._line = b""
        self._status = 0
        self._left: int | None = None
        """Remaining bytes of the body; None if it is chunked."""

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._status and not self._read_head():
            return
        if self._left is None:
            self._read_chunks()
        else:
            self._left -= len(self._received)
            self._take(self._received)
            self._received = b""
            if self._left <= 0:
                self._end()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._over.done():
            self._over.set_exception(error or ConnectionResetError("the response broke off"))

    def _read_head(self) -> bool:
        head, separator, rest = self._received.partition(b"\r\n\r\n")
        if not separator:
            return False
        self._status, self._received = int(head.split(b" ", 2)[1]), rest
        if not CHUNKED.search(head):
            length = LENGTH.search(head)
            self._left = int(length[1]) if length else 0
        return True

    def _read_chunks(self) -> None:
        while (end := self._received.find(b"\r\n")) >= 0:
            begin = end + 2
            stop = begin + int(self._received[:end].partition(b";")[0], 16)
            if len(self._received) < stop + 2:
                return
            data, self._received = self._received[begin:stop], self._received[stop + 2 :]
            if not data:
                return self._end()
            self._take(data)

    def _take(self, data: bytes) -> None:
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._take_line(line)

    def _end(self) -> None:
        if self._line:
            self._take_line(self._line)
        if not self._over.done():
            self._over.set_result(self._status)
