"""UTC dates on the command line."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentTypeError


def utc_date(text: str) -> dt.date:
    """Parse YYYY-MM-DD. Raises ArgumentTypeError."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a date such as 2026-11-22") from error
