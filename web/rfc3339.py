"""Moments as the API tells them."""

from __future__ import annotations

import datetime as dt


def rfc3339(moment: dt.datetime) -> str:
    """Return RFC 3339 UTC with a Z."""
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
