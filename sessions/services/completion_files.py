"""The files of a completion: stored for its turn, and in no list of their owner."""

from __future__ import annotations

import io
import uuid
from collections.abc import Collection, Sequence
from typing import BinaryIO

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from sessions.files.converter.results import Converted
from sessions.files.names import clean_name
from sessions.files.storage import content_hash
from sessions.models import File
from sessions.services.files import file_add, file_delete, quota_check


def file_sent_before(*, owner: User, name: str, sha256: str) -> File | None:
    """Return a document that the user has stored with this name and content: clients send their files again and again.

    Images are stored as they were converted, so they are found after that. Raises `file_quota_exceeded` if there is
    none and no space for another.
    """
    found = _stored(owner, name, sha256)
    if found is None:
        quota_check(owner)
    return found


def file_of_conversion(
    *, owner: User, name: str, content: BinaryIO, converted: Converted
) -> tuple[File, bool]:
    """Return the file of a converted content, and whether it is new. Raises like `file_add`."""
    if converted.image:
        sha256, _ = content_hash(io.BytesIO(converted.image))
        if (found := _stored(owner, name, sha256)) is not None:
            return found, False
    return file_add(owner=owner, name=name, content=content, converted=converted), True


def _stored(owner: User, name: str, sha256: str) -> File | None:
    files = File.objects.filter(owner=owner, sha256=sha256, name=clean_name(name)).order_by("-created_at")
    return files.first()


def files_unlist(file_ids: Collection[uuid.UUID]) -> None:
    """Take files of a completion out of their owner's list (inside a transaction): they stay where they were sent."""
    assert transaction.get_connection().in_atomic_block
    if file_ids:
        File.objects.filter(pk__in=file_ids, deleted_at__isnull=True).update(deleted_at=timezone.now())


def files_drop(files: Sequence[File]) -> None:
    """Delete files that were stored for a request which was then refused."""
    for file in files:
        file_delete(file=file)
