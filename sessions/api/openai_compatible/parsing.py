"""Parse a request that may hold files: their content goes to disk as it is found, and one body is parsed at a time."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import io
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, cast

from django.conf import settings
from rest_framework.parsers import BaseParser

from sessions.api.uploads import max_file_bytes
from sessions.api.uploads import too_large as file_too_large
from sessions.files.conversion import TIME_S
from sessions.models import MessageFile
from web.api.parsing import BoundedJSONParser
from web.errors import PantheonError, RateLimited, ValidationFailed

WAIT_S = 20.0
RETRY_S = 5

MOST_PLACES = 10 * MessageFile.MOST_PER_MESSAGE
"""Of files in a body, whether they differ or not: a client may repeat a file in several messages."""
LARGEST_FILES = 2
"""Files of the maximum size in a body: parsing 250 MB took 870 MB of memory."""
IN_MEMORY_BYTES = 1024 * 1024
"""Larger contents go to disk at once, others when they are converted."""
MAX_PREFIX_CHARS = 500
"""Of a data URL before its content."""

DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[\w.+-]+)*);base64,", re.ASCII)
"""The beginning of a data URL. Source: RFC 2397."""

URL_FIELDS = {"image_url": "url", "file": "file_data"}
"""Type of a part -> the name of its data URL."""

_parsing = threading.BoundedSemaphore(1)
"""Of large bodies: each takes several times its size in memory."""


def largest_completion_body() -> int:
    """Return the maximum size of a body: what the largest files may hold in Base64, and the rest of the request."""
    rest: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return LARGEST_FILES * -(-max_file_bytes() * 4 // 3) + rest


class SentFile(str):
    """What replaces the data URL of a file: its hash, so that equal requests stay equal; and its content."""

    content: BinaryIO
    sha256: str

    @classmethod
    def of_url(cls, url: str) -> SentFile | None:
        """Return the file in a data URL; None if the text is no data URL in Base64. Raises `payload_too_large`."""
        match = data_url_match(url)
        if match is None:
            return None
        if (len(url) - match.end()) // 4 * 3 - url.count("=", len(url) - 2) > max_file_bytes():
            raise file_too_large()
        try:
            content = base64.b64decode(url[match.end() :].encode("ascii"), validate=True)
        except (binascii.Error, ValueError):
            return None
        sha256 = hashlib.sha256(content).hexdigest()
        sent = cls(f"{match[0]}{sha256}")
        sent.sha256 = sha256
        # On disk it has no name: the operating system deletes it when nobody has it open.
        sent.content = cast(BinaryIO, tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES))  # noqa: SIM115
        sent.content.write(content)
        return sent


class SentFiles:
    """The open files of a request, which are closed whatever the answer is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: list[SentFile] = []
        self._closed = False

    def add(self, sent: SentFile) -> None:
        """Keep a file until all are closed. If they are, because the client has gone, close it at once."""
        with self._lock:
            if self._closed:
                sent.content.close()
            else:
                self._open.append(sent)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            files, self._open = self._open, []
        for sent in files:
            sent.content.close()

    def leave(self, sent: SentFile, *, close_after_s: float = TIME_S + 5) -> None:
        """Leave a file to a conversion that nobody waits for any more, and close it when that has ended.

        Closing it at once could give its number to another file just before the child process gets it.
        """
        with self._lock:
            self._open = [each for each in self._open if each is not sent]
        asyncio.get_running_loop().call_later(close_after_s, sent.content.close)


class CompletionParser(BaseParser):
    """Parse JSON with files. Without them, a body may be as large as any other."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        files: SentFiles = (parser_context or {})["view"].sent_files
        body = stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
        if len(body) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            data = BoundedJSONParser().parse(io.BytesIO(body), media_type, parser_context)
            return with_sent_files(data, files)
        with one_large_body():
            body += stream.read(largest_completion_body() + 1 - len(body))
            if len(body) > largest_completion_body():
                raise too_large(largest_completion_body())
            size = len(body)
            data = BoundedJSONParser().parse(io.BytesIO(body), media_type, parser_context)
            del body
            taken = sum(len(place.url) for place in places_of_files(data))
            if size - taken > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
                raise too_large(settings.DATA_UPLOAD_MAX_MEMORY_SIZE, "Without their files, requests")
            return with_sent_files(data, files)


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


def data_url_match(url: str) -> re.Match[str] | None:
    return DATA_URL.match(url, 0, MAX_PREFIX_CHARS)


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Where a part of a message has the URL of a file."""

    holder: dict[str, Any]
    name: str
    role: Any
    """Of the message."""

    @property
    def url(self) -> str:
        url: str = self.holder[self.name]
        return url

    def may_have_file(self) -> bool:
        return self.role == "user" and data_url_match(self.url) is not None


def with_sent_files(data: Any, files: SentFiles) -> Any:
    """Return a body with a SentFile in place of each data URL; of a wrong URL, the beginning stays, to be refused.

    Nothing is decoded before the number of files is known. Raises ValidationFailed if there are too many.
    """
    places = list(places_of_files(data))
    urls = {place.url for place in places if place.may_have_file()}
    refuse_too_many(len(places), len(urls))
    sent: dict[str, SentFile] = {}
    for url in urls:
        if (file := SentFile.of_url(url)) is not None:
            files.add(file)
            sent[url] = file
    for place in places:
        known = sent.get(place.url) if place.may_have_file() else None
        place.holder[place.name] = place.url[:MAX_PREFIX_CHARS] if known is None else known
    return data


def refuse_too_many(places: int, different: int) -> None:
    most = MessageFile.MOST_PER_MESSAGE
    if different > most:
        raise ValidationFailed({"messages": [f"A request can have at most {most} files."]})
    if places > MOST_PLACES:
        raise ValidationFailed({"messages": [f"A request can have at most {MOST_PLACES} parts with files."]})


def has_sent_files(data: Any) -> bool:
    """Return whether a parsed body has files."""
    return any(isinstance(place.url, SentFile) for place in places_of_files(data))


def places_of_files(data: Any) -> Iterator[FilePlace]:
    """Yield where the parts of a body have the URLs of files."""
    messages = data.get("messages") if isinstance(data, dict) else None
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            kind = part.get("type") if isinstance(part, dict) else None
            name = URL_FIELDS.get(kind) if isinstance(kind, str) else None
            holder = part.get(kind) if name else None
            if name and isinstance(holder, dict) and isinstance(holder.get(name), str):
                yield FilePlace(holder, name, message.get("role"))
