"""A person's files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, Count, Sum
from django.db.models.functions import Greatest

from accounts.models import User
from sessions.models import File

FILES_LISTED = 200


@dataclass(frozen=True, slots=True)
class FileList:
    """Files, the newest first, each with `messages`: how many brought it."""

    shown: list[Any]
    more: bool
    """There are files that are not shown."""


def list_files(user: User) -> FileList:
    files = File.objects.of(user).annotate(messages=Count("message_files"))
    found = list(files.order_by("-created_at", "id")[: FILES_LISTED + 1])
    return FileList(found[:FILES_LISTED], len(found) > FILES_LISTED)


def space_used(user: User) -> int:
    """Return the bytes of a person's files. Each counts by its content or its text, whichever is larger.

    A small document may have 2 MiB of text. Deleted files count while they are kept.
    """
    size = Greatest("bytes", "text_bytes", output_field=BigIntegerField())
    used: int = File.objects.filter(owner=user).order_by().aggregate(used=Sum(size, default=0))["used"]
    return used
