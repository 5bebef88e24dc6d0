"""Ranges of days: presets, custom ranges and invalid ones."""

from __future__ import annotations

import datetime as dt

import pytest

from billing.days import MAX_DAYS, DayRange, custom_range, preset_range
from web.errors import PantheonError

TODAY = dt.date(2026, 3, 15)


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("today", "2026-03-15", "2026-03-15"),
        ("7d", "2026-03-09", "2026-03-15"),
        ("30d", "2026-02-14", "2026-03-15"),
        ("month", "2026-03-01", "2026-03-15"),
        ("last-month", "2026-02-01", "2026-02-28"),
    ],
)
def test_a_preset_is_whole_days(name, first, last):
    assert preset_range(name, TODAY) == DayRange(dt.date.fromisoformat(first), dt.date.fromisoformat(last))


def test_the_month_before_january_is_december():
    assert str(preset_range("last-month", dt.date(2026, 1, 31))) == "2025-12-01 to 2025-12-31"


def test_the_range_before_is_as_long_and_ends_the_day_before():
    days = preset_range("30d", TODAY)
    assert str(days.before()) == "2026-01-15 to 2026-02-13"
    assert days.before().length == days.length == len(days.days) == 30


def test_moments_are_utc():
    days = DayRange(TODAY, TODAY)
    assert days.begin.isoformat() == "2026-03-15T00:00:00+00:00"
    assert days.end.isoformat() == "2026-03-16T00:00:00+00:00"


@pytest.mark.parametrize(
    ("first", "last", "shown"),
    [
        ("2026-03-01", "2026-03-10", "2026-03-01 to 2026-03-10"),
        ("2026-03-01", "", "2026-03-01 to 2026-03-15"),
        ("", "2026-03-10", "2026-02-09 to 2026-03-10"),
        ("2026-03-10", "2026-03-10", "2026-03-10"),
        ("", "2000-01-01", "2000-01-01"),
        ("2027-01-01", "2027-01-02", "2027-01-01 to 2027-01-02"),
    ],
)
def test_a_custom_range(first, last, shown):
    assert str(custom_range(first, last, TODAY)) == shown


@pytest.mark.parametrize(
    ("first", "last", "parameter"),
    [
        ("yesterday", "", "from"),
        ("2026-02-30", "", "from"),
        ("20260301", "", "from"),
        ("2026-W10-1", "", "from"),
        ("2026-03-01T00:00:00Z", "", "from"),
        ("٢٠٢٦-٠٣-٠١", "", "from"),
        ("0001-01-01", "", "from"),
        ("", "9999-12-31", "to"),
        ("", "2026-03-01\x00", "to"),
        ("2026-03-10", "2026-03-01", "from"),
        ("2024-01-01", "2026-03-01", "from"),
    ],
)
def test_an_invalid_range_is_refused(first, last, parameter):
    with pytest.raises(PantheonError) as refused:
        custom_range(first, last, TODAY)
    assert refused.value.code == "invalid_parameter"
    assert refused.value.details == {"parameter": parameter}


def test_a_year_is_not_too_long():
    assert custom_range("2024-01-01", "2024-12-31", TODAY).length == MAX_DAYS
