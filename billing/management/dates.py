"""UTC dates on the command line."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentTypeError

from billing.days import NEWEST, OLDEST


def utc_date(text: str) -> dt.date:
    """Parse YYYY-MM-DD. Raises ArgumentTypeError, also for days that date arithmetic cannot handle."""
    try:
        day = dt.date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a date such as 2026-11-22") from error
    if not OLDEST <= day <= NEWEST:
        raise ArgumentTypeError(f"{text} is not between {OLDEST} and {NEWEST}")
    return day
