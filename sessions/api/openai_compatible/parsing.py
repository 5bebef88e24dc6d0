"""Parse a request that may hold files: their content goes to disk as it is found, and one body is parsed at a time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, BinaryIO

from django.conf import settings
from rest_framework.parsers import BaseParser

from sessions.api.uploads import max_file_bytes
from sessions.models import MessageFile
from web.api.parsing import BoundedJSONParser
from web.errors import PantheonError, RateLimited

WAIT_S = 20.0
RETRY_S = 5

DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[\w.+-]+)*);base64,", re.ASCII)
"""The beginning of a data URL. Source: RFC 2397."""

_parsing = threading.BoundedSemaphore(1)
"""Of large bodies: each takes several times its size in memory."""


def largest_completion_body() -> int:
    """Return the maximum size of a body: what ten files may hold in Base64, and the rest of the request."""
    rest: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return MessageFile.MOST_PER_MESSAGE * -(-max_file_bytes() * 4 // 3) + rest


class SentFile(str):
    """What replaces the data URL of a file: its hash, so that equal requests stay equal; and its content."""

    content: BinaryIO
    """On disk, open."""
    sha256: str
    size: int

    @classmethod
    def of_url(cls, url: str) -> SentFile | None:
        """Return the file in a data URL; None if the text is no data URL in Base64."""
        match = DATA_URL.match(url)
        if match is None:
            return None
        try:
            content = base64.b64decode(url[match.end() :].encode("ascii"), validate=True)
        except (binascii.Error, ValueError):
            return None
        sha256 = hashlib.sha256(content).hexdigest()
        sent = cls(f"{match[0]}{sha256}")
        sent.sha256, sent.size = sha256, len(content)
        # Deleted by the operating system when nobody has it open.
        sent.content = tempfile.TemporaryFile()  # noqa: SIM115
        sent.content.write(content)
        return sent


class CompletionParser(BaseParser):
    """Parse JSON with files. Without them, a body may be as large as any other."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
        if len(body) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return with_sent_files(BoundedJSONParser().parse(io.BytesIO(body), media_type, parser_context))
        with one_large_body():
            body += stream.read(largest_completion_body() + 1 - len(body))
            if len(body) > largest_completion_body():
                raise too_large(largest_completion_body())
            size = len(body)
            data = BoundedJSONParser().parse(io.BytesIO(body), media_type, parser_context)
            del body
            taken = sum(len(url) for holder, name in places_of_files(data) if (url := holder[name]))
            if size - taken > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
                raise too_large(settings.DATA_UPLOAD_MAX_MEMORY_SIZE, "Without their files, requests")
            return with_sent_files(data)


@contextmanager
def one_large_body() -> Iterator[None]:
    """Wait until no other large body is parsed in this process. Raises `rate_limited`."""
    if not _parsing.acquire(timeout=WAIT_S):
        raise RateLimited("Other large requests are being read.", RETRY_S)
    try:
        yield
    finally:
        _parsing.release()


def too_large(limit: int, what: str = "Requests") -> PantheonError:
    return PantheonError("payload_too_large", f"{what} are limited to {limit} bytes.", {"limit_bytes": limit})


def with_sent_files(data: Any) -> Any:
    """Return a body with a SentFile in place of each data URL; whatever is wrong stays, to be refused by name."""
    for holder, name in places_of_files(data):
        if (sent := SentFile.of_url(holder[name])) is not None:
            holder[name] = sent
    return data


def has_sent_files(data: Any) -> bool:
    """Return whether a parsed body has files."""
    return any(isinstance(holder[name], SentFile) for holder, name in places_of_files(data))


def places_of_files(data: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield where the parts of a body have their data URLs: an object and the name of its field."""
    messages = data.get("messages") if isinstance(data, dict) else None
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            if not isinstance(part, dict):
                continue
            for holder, name in ((part.get("image_url"), "url"), (part.get("file"), "file_data")):
                if isinstance(holder, dict) and isinstance(holder.get(name), str):
                    yield holder, name
