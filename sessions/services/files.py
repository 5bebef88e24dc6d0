"""Files: upload, delete, and remove contents that no file needs any more.

A content is stored before its row, and removed after its last row. Both happen under a lock of the content, so that
nobody removes what somebody else is about to refer to; a crash in between leaves a content without a row, which
`contents_sweep` finds.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import BinaryIO

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts.models import User
from orchestration.engine.tokens import estimate_tokens
from sessions.files.converter.results import Converted
from sessions.files.names import clean_name
from sessions.files.queue import conversions
from sessions.files.storage import (
    ContentStorage,
    content_delete,
    content_exists,
    content_hash,
    content_put,
    content_storage,
    list_contents,
)
from sessions.models import File, MessageFile
from sessions.selectors.files import space_used
from web.errors import NotFound, PantheonError

CONTENTS_LOCK = 1_870_203_643
"""PostgreSQL's advisory lock number for contents; the second number of the lock is from the hash."""

ATTEMPTS = 3
"""Attempts to store a content that is removed each time before its row exists."""

MIB = 1024 * 1024
PIXELS_PER_TOKEN = 750
"""Of an image: the documented formula of Anthropic, which counts most."""

IS_BROUGHT = Exists(MessageFile.objects.filter(file=OuterRef("pk")))


def file_create(*, owner: User, name: str, content: BinaryIO) -> File:
    """Convert and store a file. Blocks for as long as the conversion takes.

    `content`: an open file of the operating system. Raises `unsupported_file`, `file_unreadable`,
    `file_quota_exceeded`, `rate_limited`, `unavailable`.
    """
    quota_check(owner)
    return file_add(owner=owner, name=name, content=content, converted=conversions.run(content, owner.pk))


def file_add(*, owner: User, name: str, content: BinaryIO, converted: Converted) -> File:
    """Store a converted file. Raises `file_quota_exceeded`, `unavailable`."""
    stored = io.BytesIO(converted.image) if converted.image else content
    sha256, size = content_hash(stored)
    file = File(
        owner=owner,
        name=clean_name(name),
        media_type=converted.media_type,
        kind=File.Kind.IMAGE if converted.image else File.Kind.TEXT,
        bytes=size,
        sha256=sha256,
        text=converted.text,
        text_bytes=len(converted.text.encode()),
        pages=converted.pages,
        width=converted.width,
        height=converted.height,
        tokens=tokens_of(converted),
    )
    try:
        for _ in range(ATTEMPTS):
            content_put(stored, sha256)
            if _file_insert(file):
                return file
    except BaseException:
        contents_remove([sha256])
        raise
    raise PantheonError(
        "unavailable", "The file could not be stored. Try again.", headers={"Retry-After": "1"}
    )


@transaction.atomic(durable=True)
def _file_insert(file: File) -> bool:
    """Insert a row; False if its content was removed meanwhile. Raises `file_quota_exceeded`."""
    # One upload of a person at a time, or two could both find enough left of the quota.
    User.objects.select_for_update(no_key=True).filter(pk=file.owner_id).first()
    quota_check(file.owner, max(file.bytes, file.text_bytes))
    content_lock(file.sha256)
    if not content_exists(file.sha256):
        return False
    file.save(force_insert=True)
    return True


def quota_check(owner: User, more_bytes: int = 1) -> None:
    """Raise `file_quota_exceeded` if a person's files would take more than they may."""
    limit = settings.PANTHEON_FILES_PER_USER_MIB * MIB
    if not limit:
        return
    used = space_used(owner)
    if used + more_bytes > limit:
        raise PantheonError(
            "file_quota_exceeded",
            f"Your files take {used / MIB:.1f} of {limit // MIB} MiB. Delete files that you no longer need; those of "
            f"deleted sessions are removed after {settings.PANTHEON_PURGE_AFTER_DAYS} days.",
            {"used_bytes": used, "limit_bytes": limit, "needed_bytes": more_bytes},
        )


def tokens_of(converted: Converted) -> int:
    if converted.image:
        return -(-(converted.width or 0) * (converted.height or 0) // PIXELS_PER_TOKEN)
    return estimate_tokens(converted.text)


@transaction.atomic(durable=True)
def file_delete(*, file: File) -> None:
    """Delete a file: it stays where a message brought it, and is erased at once if none did."""
    locked = File.objects.select_for_update().filter(pk=file.pk).first()
    if locked is None:
        return
    if locked.message_files.exists():
        locked.deleted_at = locked.deleted_at or timezone.now()
        locked.save(update_fields=["deleted_at"])
    else:
        locked.delete()
        contents_remove_on_commit([locked.sha256])


def files_hold(files: Sequence[File]) -> None:
    """Lock the files that a message is to bring, so that none is erased before the commit. Raises NotFound.

    Inside a transaction; without a statement if there are none.
    """
    if not files:
        return
    assert transaction.get_connection().in_atomic_block
    ids = {file.pk for file in files}
    # In one order, so that two messages with the same files do not wait for each other.
    rows = File.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    if len(rows.values_list("pk", flat=True)) < len(ids):
        raise NotFound("A file has been deleted. Attach it again.")


def files_erase_unused(file_ids: Collection[uuid.UUID]) -> None:
    """Erase those of the files that no message brings any more (inside a transaction)."""
    assert transaction.get_connection().in_atomic_block
    if not file_ids:
        return
    locked = File.objects.select_for_update().filter(pk__in=file_ids).order_by("pk")
    ids = set(locked.values_list("pk", flat=True))
    # After the lock: a message may have brought one meanwhile.
    unused = list(File.objects.filter(~IS_BROUGHT, pk__in=ids).values_list("pk", "sha256"))
    File.objects.filter(pk__in=[pk for pk, _ in unused]).delete()
    contents_remove_on_commit(sha256 for _, sha256 in unused)


def contents_remove_on_commit(hashes: Iterable[str]) -> None:
    """Remove contents that no file needs after the commit. If that fails, `contents_sweep` does it later."""
    transaction.on_commit(partial(contents_remove, sorted(set(hashes))), robust=True)


def contents_remove(hashes: Collection[str]) -> int:
    """Remove the contents that no file refers to; return their number. Each in a transaction of its own."""
    removed = 0
    for sha256 in hashes:
        with transaction.atomic():
            content_lock(sha256)
            if not File.objects.filter(sha256=sha256).exists():
                content_delete(sha256)
                removed += 1
    return removed


def contents_sweep() -> int:
    """Remove stored contents without a file, which a crash may leave; return their number."""
    removed = 0
    for hashes in list_contents():
        needed = set(File.objects.filter(sha256__in=hashes).order_by().values_list("sha256", flat=True))
        removed += contents_remove([sha256 for sha256 in hashes if sha256 not in needed])
    storage = content_storage()
    if isinstance(storage, ContentStorage):
        storage.unfinished_remove()
    return removed


def content_lock(sha256: str) -> None:
    """Let nobody else store a row for this content or remove it, until the transaction ends.

    SQLite needs no lock: its transactions are immediate, so there is one at a time.
    """
    assert transaction.get_connection().in_atomic_block
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # the ORM has no advisory locks
            number = int(sha256[:8], 16) - 2**31
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [CONTENTS_LOCK, number])
