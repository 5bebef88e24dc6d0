"""Server-sent events as both wire formats use them: `data:` lines with a JSON object.

Event names are ignored: the JSON has the type in both formats. Parsing follows the HTML standard ("Server-sent
events", 9.2.6), except that invalid lines are an error instead of ignored: a proxy's error page in the middle of an
answer must not pass for the answer's end.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

MAX_LINE_BYTES = 1024 * 1024
DONE = "[DONE]"
FIELD = re.compile(rb"[A-Za-z][\w-]*:")
BOM = b"\xef\xbb\xbf"
NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Lone surrogates that do not stand for a byte (PEP 383)."""
SHOWN_CHARS = 60
"""Characters of unreadable content to log: enough to tell a web page from JSON, too few for an answer's text."""


class NotAnEventStream(Exception):
    """The content cannot be parsed as events; the message has the provider's own text, for the log."""

    from_start = False
    """The response had no events: the server is not a model server, and no model has worked on the request."""


class SseReader:
    """Splits bytes into the payloads of events. One per response."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []
        """The data of the current event."""
        self._data_bytes = 0
        self._begun = False
        self.payloads = 0
        """Payloads read so far."""

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Yield the payloads that this chunk completes."""
        # A line that arrives in many pieces is split once, at its end.
        is_complete = b"\n" in chunk or b"\r" in chunk or self._rest.endswith(b"\r")
        self._rest += chunk
        lines = bytes(self._rest).splitlines(keepends=True) if is_complete else []
        if is_complete:
            # A lone CR at the end may be half of a CRLF.
            self._rest = bytearray(lines.pop() if not lines[-1].endswith(b"\n") else b"")
        if len(self._rest) > MAX_LINE_BYTES:
            raise NotAnEventStream(f"a line of more than {MAX_LINE_BYTES} bytes")
        for line in lines:
            yield from self._line(line.rstrip(b"\r\n"))

    def finish(self) -> Iterator[str]:
        """Yield the last payload of a stream that lacks the closing empty line."""
        rest, self._rest = bytes(self._rest), bytearray()
        yield from self._line(rest.rstrip(b"\r"))
        yield from self._line(b"")

    def _line(self, line: bytes) -> Iterator[str]:
        if not self._begun and line:
            self._begun = True
            line = line.removeprefix(BOM)
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
            self._data_bytes += len(line)
            if self._data_bytes > MAX_LINE_BYTES:
                raise NotAnEventStream(f"an event of more than {MAX_LINE_BYTES} bytes")
        elif not line:
            if self._data:
                # Bytes that are not UTF-8 stay as lone surrogates: the rest of a character may come in the next event.
                payload = b"\n".join(self._data).decode("utf-8", "surrogateescape")
                self._data.clear()
                self._data_bytes = 0
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


class TextJoiner:
    """Joins characters that arrive in two pieces: surrogate halves as JSON escapes, and UTF-8 bytes.

    One per stream of text. A part whose other part never comes is U+FFFD.
    """

    def __init__(self) -> None:
        self._half = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._waiting = False

    def feed(self, text: str) -> str:
        """Return the text as far as its characters are complete, in the form of `clean`."""
        if not self._waiting:
            try:
                text.encode()
            except UnicodeEncodeError:
                pass
            else:
                return text.replace("\0", "\ufffd")
        text = self._half + text
        self._half = text[-1] if text and "\ud800" <= text[-1] <= "\udbff" else ""
        text = text.removesuffix(self._half)
        pairs = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        joined = self._decoder.decode(NO_BYTE.sub("\ufffd", pairs).encode("utf-8", "surrogateescape"))
        self._waiting = bool(self._half or self._decoder.getstate()[0])
        return joined.replace("\0", "\ufffd")

    def finish(self) -> str:
        """Return the replacement for a part whose other part never came."""
        half, self._half, self._waiting = self._half, "", False
        return self._decoder.decode(b"", final=True) + ("\ufffd" if half else "")


def clean(text: str) -> str:
    """Return a text that every database and encoding accepts: NUL and lone surrogates become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", "�")
