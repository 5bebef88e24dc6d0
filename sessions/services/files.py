"""Files: what a message brings stays as long as the message."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from sessions.models import File
from web.errors import NotFound


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
