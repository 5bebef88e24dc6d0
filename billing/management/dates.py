"""Dates on the command line: days of UTC, as the ledger counts them."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentTypeError


def utc_date(text: str) -> dt.date:
    """Return the date of YYYY-MM-DD."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no date such as 2026-11-22") from error
