"""Where contents are stored: each once, under its SHA-256, on this machine's disk or in an S3-compatible store."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage, storages

from web.errors import PantheonError

PIECE_BYTES = 64 * 1024
FOLDERS = [f"{number:02x}" for number in range(256)]
"""A folder for each first byte of a hash, so that none has too many files."""

S3_MODULES = ("botocore", "boto3", "s3transfer")
"""Whose errors say that the store cannot be reached. They are not installed everywhere, so they are known by name."""

UNFINISHED = "unfinished-"
"""Prefix of a content that is being written."""
UNFINISHED_S = 3600
"""After this time, its process has ended."""


class ContentStorage(FileSystemStorage):
    """Files of this user only. A content is complete when it gets its name, or never does."""

    def __init__(self, **options: Any) -> None:
        super().__init__(file_permissions_mode=0o600, directory_permissions_mode=0o700, **options)

    def _save(self, name: str, content: IO[Any]) -> str:
        path = Path(self.path(name))
        for folder in (Path(self.location), path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, unfinished = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
        try:
            with open(descriptor, "wb") as target:
                for piece in pieces_of(content):
                    target.write(piece)
                target.flush()
                os.fsync(target.fileno())
            os.replace(unfinished, path)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise
        return name

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name  # the same name is the same content

    def unfinished_remove(self) -> None:
        """Remove contents whose writing was interrupted."""
        for path in Path(self.location).glob(f"*/{UNFINISHED}*"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - UNFINISHED_S:
                    path.unlink()


def content_storage() -> Storage:
    return storages["files"]


def name_of(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def pieces_of(content: IO[Any]) -> Iterator[bytes]:
    """Yield an open file from its beginning."""
    content.seek(0)
    while piece := content.read(PIECE_BYTES):
        yield piece


def content_hash(content: BinaryIO) -> tuple[str, int]:
    """Return the SHA-256 and the size of an open file."""
    digest, size = hashlib.sha256(), 0
    for piece in pieces_of(content):
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size


def content_put(content: BinaryIO, sha256: str) -> None:
    """Store a content, unless it is stored already. Raises `unavailable`."""
    with reachable():
        if not content_storage().exists(name_of(sha256)):
            content.seek(0)
            content_storage().save(name_of(sha256), File(content))


def content_exists(sha256: str) -> bool:
    with reachable():
        return content_storage().exists(name_of(sha256))


def content_open(sha256: str) -> BinaryIO:
    """Open a content for reading. Raises FileNotFoundError, `unavailable`."""
    with reachable():
        return cast(BinaryIO, content_storage().open(name_of(sha256), "rb"))


def content_delete(sha256: str) -> None:
    """Delete a content; without an error if there is none. Raises `unavailable`."""
    with reachable():
        content_storage().delete(name_of(sha256))


def list_contents() -> Iterator[list[str]]:
    """Yield the hashes of stored contents, folder by folder."""
    for folder in FOLDERS:
        with reachable():
            try:
                _, names = content_storage().listdir(folder)
            except FileNotFoundError:
                continue
        hashes = [name for name in names if len(name) == 64 and name.startswith(folder)]
        if hashes:
            yield hashes


@contextlib.contextmanager
def reachable() -> Iterator[None]:
    """Raise `unavailable` if the storage cannot be read or written."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:
        if not isinstance(error, OSError) and not type(error).__module__.startswith(S3_MODULES):
            raise
        message = "The file storage is temporarily unavailable. Try again in a moment."
        raise PantheonError("unavailable", message, headers={"Retry-After": "5"}) from error
