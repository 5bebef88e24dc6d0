"""Soft deletion: deleted rows are hidden from their owner at once and excluded from queries."""

from __future__ import annotations

from typing import Any, Self

from django.db import models


class OwnedQuerySet(models.QuerySet[Any]):
    """Rows with an `owner` and a `deleted_at`."""

    def alive(self) -> Self:
        return self.filter(deleted_at__isnull=True)

    def of(self, owner: Any) -> Self:
        return self.alive().filter(owner=owner)
