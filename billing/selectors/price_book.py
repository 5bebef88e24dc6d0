"""Cache of all prices per process, valid until a price row is added."""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence

from django.db import connection

from billing.models import ModelPrice

Prices = Mapping[uuid.UUID, Sequence[ModelPrice]]
"""Model -> all its price rows, including past and future ones."""

_TABLE = ModelPrice._meta.db_table

PRICES_VERSION = f"(SELECT COUNT(*) || ' ' || COALESCE(CAST(MAX(created_at) AS TEXT), '') FROM {_TABLE})"
"""SQL of a value that changes when a price is added: select it along with something else.

Rows are only ever added, so their number is a version; the newest moment distinguishes databases.
"""

_lock = threading.Lock()
_cached: tuple[str, Prices] = ("", {})


def prices_of_version(version: str) -> Prices:
    """Return all prices, read once per version. The caller's transaction must have selected `version`."""
    global _cached
    cached_version, prices = _cached
    if cached_version == version:
        return prices
    rows: dict[uuid.UUID, list[ModelPrice]] = defaultdict(list)
    for price in ModelPrice.objects.all():
        rows[price.model_id].append(price)
    with _lock:
        _cached = (version, dict(rows))
    return rows


def prices_now() -> Prices:
    """Return all prices."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {PRICES_VERSION}")
        return prices_of_version(cursor.fetchone()[0])
