"""A store that speaks as much of S3 as contents need: PUT, GET, HEAD, DELETE and lists, over real HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

ERROR = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"


class ObjectStore(ThreadingHTTPServer):
    """Objects by bucket and key. While `is_down`, each request is answered 503."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ObjectStoreHandler)
        self.objects: dict[str, bytes] = {}
        self.is_down = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class ObjectStoreHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ObjectStore

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self) -> bytes:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return content
        plain = b""
        while content:
            head, _, content = content.partition(b"\r\n")
            size = int(head.partition(b";")[0], 16)
            if not size:
                break
            plain, content = plain + content[:size], content[size + 2 :]
        return plain

    def handle_request(self) -> None:
        body, parts = self.body(), urlsplit(self.path)
        key, query = unquote(parts.path).lstrip("/"), parse_qs(parts.query)
        stored = self.server.objects.get(key)
        if self.server.is_down:
            self.answer(503, ERROR.format(code="SlowDown").encode())
        elif "list-type" in query or "delimiter" in query:
            self.answer(200, self.listing(key, query["prefix"][0]).encode())
        elif self.command == "PUT":
            self.server.objects[key] = body
            self.answer(200, ETag='"1"')
        elif self.command == "DELETE":
            self.server.objects.pop(key, None)
            self.answer(204)
        elif stored is None:
            self.answer(404, ERROR.format(code="NoSuchKey").encode())
        else:
            self.answer(
                200, stored, ETag='"1"', Last_Modified="Mon, 30 Nov 2026 10:00:00 GMT", Accept_Ranges="bytes"
            )

    def listing(self, bucket: str, prefix: str) -> str:
        start = f"{bucket.strip('/')}/"
        keys = sorted(key.removeprefix(start) for key in self.server.objects)
        entries = "".join(
            f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in keys if key.startswith(prefix)
        )
        return f"<?xml version='1.0'?><ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = handle_request


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    store = ObjectStore()
    thread = threading.Thread(target=store.serve_forever, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        store.shutdown()
        store.server_close()
        thread.join()
