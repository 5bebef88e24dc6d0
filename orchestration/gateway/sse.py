"""Server-sent events as both wire formats use them: `data:` lines with a JSON object.

Event names are ignored: the JSON has the type in both formats. Parsing follows the HTML standard ("Server-sent
events", 9.2.6), except that invalid lines are an error instead of ignored: a proxy's error page in the middle of an
answer must not pass for the answer's end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

MAX_LINE_BYTES = 16 * 1024 * 1024
DONE = "[DONE]"
FIELD = re.compile(rb"[A-Za-z][\w-]*:")
BOM = b"\xef\xbb\xbf"
SHOWN_CHARS = 60
"""Characters of unreadable content to log: enough to tell a web page from JSON, too few for an answer's text."""


class NotAnEventStream(Exception):
    """The content cannot be parsed as events; the message has the provider's own text, for the log."""

    from_start = False
    """The response had no events: the server is probably not a model server."""
    is_page = False
    """The response was a web page: no model has worked on it."""


class SseReader:
    """Splits bytes into the payloads of events. One per response."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._begun = False
        self.payloads = 0
        """Payloads read so far."""

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Yield the payloads that this chunk completes."""
        lines = (self._rest + chunk).splitlines(keepends=True)
        # A lone CR at the end may be half of a CRLF.
        self._rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        if len(self._rest) > MAX_LINE_BYTES:
            raise NotAnEventStream(f"a line of more than {MAX_LINE_BYTES} bytes")
        for line in lines:
            yield from self._line(line.rstrip(b"\r\n"))

    def finish(self) -> Iterator[str]:
        """Yield the last payload of a stream that lacks the closing empty line."""
        rest, self._rest = self._rest, b""
        yield from self._line(rest.rstrip(b"\r"))
        yield from self._line(b"")

    def _line(self, line: bytes) -> Iterator[str]:
        if not self._begun and line:
            self._begun = True
            line = line.removeprefix(BOM)
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
        elif not line:
            if self._data:
                payload = b"\n".join(self._data).decode("utf-8", "replace")
                self._data.clear()
                if payload.strip():
                    self.payloads += 1
                    yield payload
        elif not line.startswith(b":") and not FIELD.match(line):
            raise NotAnEventStream(line.decode("utf-8", "replace")[:SHOWN_CHARS])


def parse(payload: str) -> dict[str, Any]:
    """Return the JSON object of an event. Raises NotAnEventStream for anything else."""
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise NotAnEventStream(payload[:SHOWN_CHARS]) from error
    if not isinstance(value, dict):
        raise NotAnEventStream(payload[:SHOWN_CHARS])
    return value


def clean(text: str) -> str:
    """Return a text that every database and encoding accepts: NUL and lone surrogates become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", "�")
