"""Percentages and days as people read them."""

from __future__ import annotations

import datetime as dt

import pytest

from billing.days import DayRange
from billing.texts.percents import change_text, percent_text, used_text
from web.dates import day_text, days_text, moment_text, month_text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 8, "0%"),
        (1, 8, "13%"),
        (1, 101, "<1%"),
        (997, 1000, ">99%"),
        (8, 8, "100%"),
        (12_345, 10, "123,450%"),
        (-1, 8, "-13%"),
        (5, 0, "–"),
    ],
)
def test_a_share_is_a_whole_percentage(part: int, whole: int, text: str) -> None:
    assert percent_text(part, whole) == text


@pytest.mark.parametrize(
    ("spent", "limit", "text"),
    [(0, 100, "0%"), (1, 1000, "<1%"), (799, 1000, "79%"), (1, 1, "100%"), (0, 0, "100%"), (15, 10, "150%")],
)
def test_the_used_part_is_rounded_down(spent: int, limit: int, text: str) -> None:
    assert used_text(spent, limit) == text


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        (3779, 393, "+862%"),
        (1, 2, "-50%"),
        (5, 5, "+0%"),
        (0, 0, "no change"),
        (5, 0, "no earlier data"),
    ],
)
def test_a_change_has_a_sign(now: int, before: int, text: str) -> None:
    assert change_text(now, before) == text


def test_days_have_one_style_with_the_year_only_if_it_is_another() -> None:
    year = dt.datetime.now(dt.UTC).year
    day, old = dt.date(year, 11, 6), dt.date(2001, 1, 31)
    assert (day_text(day), day_text(old)) == ("Nov 6", "Jan 31, 2001")
    assert (month_text(day), month_text(old)) == ("November", "January 2001")
    assert days_text(day, day) == DayRange(day, day).text == "Nov 6"
    assert DayRange(old, day).text == "Jan 31, 2001 – Nov 6"


@pytest.mark.parametrize(
    ("hour", "text"), [(0, "12:02 AM"), (9, "9:02 AM"), (12, "12:02 PM"), (23, "11:02 PM")]
)
def test_moments_are_in_utc_and_say_so(hour: int, text: str) -> None:
    year = dt.datetime.now(dt.UTC).year
    moment = dt.datetime(year, 11, 26, hour, 2, tzinfo=dt.UTC)
    assert moment_text(moment) == f"Nov 26, {text} UTC"
    assert moment_text(moment.astimezone(dt.timezone(dt.timedelta(hours=13)))) == f"Nov 26, {text} UTC"
