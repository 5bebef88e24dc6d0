"""Ranges of UTC days, for reports and budgets."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass

from django.utils import timezone

from web.dates import days_text
from web.errors import PantheonError

PRESETS = {
    "today": "Today",
    "7d": "7 days",
    "30d": "30 days",
    "month": "Month to date",
    "last-month": "Last month",
    "custom": "Custom",
}
DEFAULT_PRESET = "30d"
MAX_DAYS = 366
OLDEST = dt.date(2000, 1, 1)
NEWEST = dt.date(2999, 12, 31)
"""Accepted days: others are typing errors, and date arithmetic on them could overflow."""

DAY = re.compile(r"\A\d{4}-\d{2}-\d{2}\Z", re.ASCII)


def utc_today() -> dt.date:
    return timezone.now().astimezone(dt.UTC).date()


@dataclass(frozen=True, slots=True)
class DayRange:
    """Whole UTC days, both ends included."""

    first: dt.date
    last: dt.date

    def __post_init__(self) -> None:
        assert self.first <= self.last

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"

    def __contains__(self, day: dt.date) -> bool:
        return self.first <= day <= self.last

    @property
    def text(self) -> str:
        """The range as people read it."""
        return days_text(self.first, self.last)

    @property
    def length(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def days(self) -> list[dt.date]:
        return [self.first + dt.timedelta(days=number) for number in range(self.length)]

    @property
    def begin(self) -> dt.datetime:
        """The first moment of the range."""
        return dt.datetime.combine(self.first, dt.time(), dt.UTC)

    @property
    def end(self) -> dt.datetime:
        """The first moment after the range."""
        return dt.datetime.combine(self.last + dt.timedelta(days=1), dt.time(), dt.UTC)

    def before(self) -> DayRange:
        """Return the range of the same length directly before."""
        return DayRange(self.first - dt.timedelta(days=self.length), self.first - dt.timedelta(days=1))


def single_day(day: object) -> DayRange:
    """Return the range of one day."""
    assert isinstance(day, dt.date)
    return DayRange(day, day)


def month_of(day: dt.date) -> DayRange:
    """Return the whole month of a day."""
    return DayRange(day.replace(day=1), day.replace(day=calendar.monthrange(day.year, day.month)[1]))


def preset_range(name: str, today: dt.date) -> DayRange:
    """Return the range of a preset other than `custom`. Raises KeyError."""
    month = month_of(today)
    return {
        "today": DayRange(today, today),
        "7d": DayRange(today - dt.timedelta(days=6), today),
        "30d": DayRange(today - dt.timedelta(days=29), today),
        "month": DayRange(month.first, today),
        "last-month": month_of(month.first - dt.timedelta(days=1)),
    }[name]


def custom_range(first: str, last: str, today: dt.date) -> DayRange:
    """Parse a range of days. `last` defaults to today, `first` to 29 days before it. Raises `invalid_parameter`."""
    until = parse_day("to", last) if last else today
    since = parse_day("from", first) if first else max(until - dt.timedelta(days=29), OLDEST)
    if since > until:
        raise invalid_parameter("from", "from must not be after to.")
    days = DayRange(since, until)
    if days.length > MAX_DAYS:
        raise invalid_parameter("from", f"A range has at most {MAX_DAYS} days.")
    return days


def parse_day(parameter: str, text: str) -> dt.date:
    try:
        day = dt.date.fromisoformat(text) if DAY.match(text) else None
    except ValueError:
        day = None
    if day is None:
        raise invalid_parameter(parameter, f"{parameter} must be a UTC day such as 2026-11-22.")
    if not OLDEST <= day <= NEWEST:
        raise invalid_parameter(parameter, f"{parameter} must be a UTC day from {OLDEST} to {NEWEST}.")
    return day


def invalid_parameter(parameter: str, message: str) -> PantheonError:
    return PantheonError("invalid_parameter", message, {"parameter": parameter})


def monday_of(day: dt.date) -> dt.date:
    return day - dt.timedelta(days=day.weekday())
