"""Uploads in tests: multipart bodies, and a storage of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from sessions.files.storage import ContentStorage
from sessions.tests.conftest import Api


def upload(api: Api, content: bytes, name: str = "lease.txt", **fields: Any) -> Any:
    """POST a file as a browser does."""
    file = SimpleUploadedFile(name, content, content_type="application/x-anything")
    return api.client.post("/api/v1/files", {"file": file, **fields})


def uploaded(api: Api, content: bytes, name: str = "lease.txt") -> dict[str, Any]:
    """Upload a file that is accepted."""
    answer = upload(api, content, name)
    assert answer.status_code == 201, answer.content
    file: dict[str, Any] = answer.json()
    return file


def content_of(answer: Any) -> bytes:
    return b"".join(answer) if answer.streaming else answer.content


class Crash(BaseException):
    """What ends a process at this point."""


class CrashingStorage(ContentStorage):
    """A storage in which the process ends at each call of `crash_at`; a content is only looked for when it is there."""

    def __init__(self, crash_at: str, **options: Any) -> None:
        super().__init__(**options)
        self.crash_at = crash_at

    def exists(self, name: str) -> bool:
        if self.crash_at == "exists" and super().exists(name):
            raise Crash
        return super().exists(name)

    def delete(self, name: str) -> None:
        raise Crash


class LosingStorage(ContentStorage):
    """A storage that loses the first content as soon as it is written."""

    has_lost = False

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        saved = super().save(name, content, max_length)
        if not self.has_lost:
            self.has_lost = True
            self.delete(saved)
        return saved


@contextmanager
def storage_of(name: str, settings: Any, directory: Path, **options: Any) -> Iterator[None]:
    """Store contents by another class meanwhile."""
    before = settings.STORAGES
    backend = f"{__name__}.{name}" if name in globals() else before["files"]["BACKEND"]
    settings.STORAGES = {
        **before,
        "files": {"BACKEND": backend, "OPTIONS": {"location": directory, **options}},
    }
    yield
    settings.STORAGES = before


@pytest.fixture
def stored(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """A directory of the test's own in which contents are stored."""
    with storage_of("", settings, tmp_path / "files"):
        yield tmp_path / "files"


def hashes_in(directory: Path) -> set[str]:
    return {path.name for path in directory.glob("*/*")}
