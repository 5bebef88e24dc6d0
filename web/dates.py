"""Days and moments as people read them: `Nov 26`, `Nov 26, 9:02 AM`. APIs and CSV files have RFC 3339.

A year is added if it is not the current one. static/js/times.js writes moments in the same style, in the reader's zone.
"""

from __future__ import annotations

import datetime as dt


def day_text(day: dt.date, *, with_year: bool = False) -> str:
    """Return `Nov 26`, or `Nov 26, 2025`."""
    return f"{day:%b} {day.day}" + (f", {day.year}" if with_year or day.year != this_year() else "")


def days_text(first: dt.date, last: dt.date) -> str:
    """Return `Nov 26` or `Nov 1 – Nov 26`."""
    return day_text(first) if first == last else f"{day_text(first)} – {day_text(last)}"


def moment_text(moment: dt.datetime, *, with_year: bool = False) -> str:
    """Return `Nov 26, 9:02 AM UTC`. Texts that are kept have the year in any case."""
    moment = moment.astimezone(dt.UTC)
    return f"{day_text(moment, with_year=with_year)}, {moment.hour % 12 or 12}:{moment:%M %p} UTC"


def month_text(day: dt.date) -> str:
    """Return `November`, or `November 2025`."""
    return f"{day:%B}" if day.year == this_year() else f"{day:%B %Y}"


def this_year() -> int:
    return dt.datetime.now(dt.UTC).year
