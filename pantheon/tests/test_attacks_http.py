"""Malformed and smuggled requests against the real server: all are refused."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from django.test import Client

from accounts.tests.support.clients import bearer, make_user, refused
from sessions.tests.support.server_process import ServerProcess

HOST = b"Host: localhost\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST
GET = b"GET /api/v1/health HTTP/1.1\r\n"
SMUGGLED = GET + HOST + b"Connection: close\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

TWO_IN_ONE = {
    "a length and chunks": POST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED,
    "chunks and a length": POST + CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 60\r\n\r\n" + SMUGGLED,
    "a list of lengths": POST + b"Content-Length: 0, 60\r\n\r\n" + SMUGGLED,
    "a length with a sign": POST + b"Content-Length: +0\r\n\r\n" + SMUGGLED,
    "a length in hex": POST + b"Content-Length: 0x0\r\n\r\n" + SMUGGLED,
    "a length below zero": POST + b"Content-Length: -1\r\n\r\n" + SMUGGLED,
    "another encoding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "an encoding twice": POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED,
    "a hidden encoding": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a size that is none": POST + CHUNKED + b"\r\nzz\r\n\r\n" + SMUGGLED,
}
NO_HTTP = {
    "lines without a return": GET.replace(b"\r", b"") + b"Host: localhost\n\n",
    "a folded header": GET + HOST + b"Connection: close\r\nX: a\r\n b\r\n\r\n",
    "a space before the colon": GET + b"Host : localhost\r\n\r\n",
    "NUL in a header": GET + HOST + b"X: a\x00b\r\n\r\n",
    "a return in a header": GET + HOST + b"X: a\rSet-Cookie: b\r\n\r\n",
    "a big header": GET + HOST + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
    "many headers": GET + HOST + b"X: a\r\n" * 5_000 + b"\r\n",
    "a long address": b"GET /?" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a version that is none": b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
    "a foreign host": GET + b"Host: evil.example\r\nConnection: close\r\n\r\n",
    "a host that is none": GET + b"Host: a b/../\r\nConnection: close\r\n\r\n",
}
SLOW_S = 1.0
WAIT_S = 20.0


def answer_to(port: int, request: bytes) -> bytes:
    """Send bytes and return the response, until the server closes the connection, at once or after a timeout."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as client:
        try:
            client.sendall(request)
            while more := client.recv(65536):
                said += more
        except ConnectionError:
            pass  # the server closed before it had read everything
    return said


@pytest.mark.django_db(transaction=True)
def test_malformed_and_doubled_requests_are_refused(tmp_path: Path) -> None:
    wrong = {}
    with ServerProcess(tmp_path, "", PANTHEON_SLOW_REQUEST_S=str(SLOW_S)) as server:
        assert answer_to(server.port, SMUGGLED).startswith(b"HTTP/1.1 200 ")
        for name, request in {**TWO_IN_ONE, **NO_HTTP}.items():
            said = answer_to(server.port, request)
            # Where the first of two is taken for a request of its own, it is refused for want of a token.
            if b"HTTP/1.1 200" in said or b"HTTP/1.1 500" in said or said.count(b"HTTP/1.1 ") > 1:
                wrong[name] = said[:200]
        assert server.get("health")[0] == 200
    assert wrong == {}


BODIES = {
    "deep lists": b'{"name": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "deep objects": b'{"name": ' + b'{"a": ' * 50_000 + b"1" + b"}" * 50_000 + b"}",
    "a big integer": b'{"max_rounds": ' + b"9" * 5_000 + b"}",
    "a big exponent": b'{"max_rounds": 1e999999}',
    "NaN": b'{"max_rounds": NaN}',
    "Infinity": b'{"max_rounds": -Infinity}',
    "half a surrogate pair": b'{"name": "\\ud800", "mode": "manual"}',
    "NUL": b'{"name": "a\\u0000b", "mode": "manual"}',
    "no UTF-8": b'{"name": "\xff", "mode": "manual"}',
    "a key of megabytes": b'{"' + b"a" * 500_000 + b'": 1}',
    "a long choice": b'{"name": "a", "mode": "' + b"a" * 500_000 + b'"}',
    "many keys": json.dumps({f"k{number}": 1 for number in range(50_000)}).encode(),
    "many ids": json.dumps({"name": "a", "mode": "manual", "agents": ["a"] * 50_000}).encode(),
    "many objects": b'{"messages": [' + b"{}," * 50_000 + b"{}]}",
}


@pytest.mark.django_db
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("path", ["/api/v1/rooms", "/v1/chat/completions"])
def test_a_body_that_is_meant_to_break_is_refused(path: str, body: bytes) -> None:
    client = Client(headers={"Authorization": bearer(make_user("alice"))})
    response = client.post(path, body, content_type="application/json")
    assert response.status_code in (400, 404, 413, 422), response.content[:200]
    assert len(response.content) < 20_000  # the answer does not grow with the body
    if path.startswith("/api/"):
        refused(response, response.status_code, response.json()["error"]["code"])
