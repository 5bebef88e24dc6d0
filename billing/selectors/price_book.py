"""Prices, kept by each process for as long as no row was added."""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence

from django.db import connection

from billing.models import ModelPrice

Prices = Mapping[uuid.UUID, Sequence[ModelPrice]]
"""Model -> its price rows, those of the past and of the future among them."""

_TABLE = ModelPrice._meta.db_table

PRICES_VERSION = f"(SELECT COUNT(*) || ' ' || COALESCE(CAST(MAX(created_at) AS TEXT), '') FROM {_TABLE})"
"""SQL of what changes whenever a price is added, to be selected along with something else.

Rows are only ever added, so their number alone tells; the newest moment tells one database from another.
"""

_lock = threading.Lock()
_known: tuple[str, Prices] = ("", {})


def prices_of_version(version: str) -> Prices:
    """Return all prices, read at most once for each version; it must have been selected by the same transaction."""
    global _known
    known, prices = _known
    if known == version:
        return prices
    found: dict[uuid.UUID, list[ModelPrice]] = defaultdict(list)
    for price in ModelPrice.objects.all():
        found[price.model_id].append(price)
    with _lock:
        _known = (version, dict(found))
    return found


def prices_now() -> Prices:
    """Return all prices."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {PRICES_VERSION}")
        return prices_of_version(cursor.fetchone()[0])
