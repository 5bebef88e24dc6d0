"""Near the end of a day holds are taken one at a time: the first of a period sees the last of the one before."""

from __future__ import annotations

import datetime as dt

import pytest

from billing.services.budget_lock import is_near_day_end


@pytest.mark.parametrize(
    ("moment", "about"),
    [
        ("2026-11-22T23:59:49Z", False),
        ("2026-11-22T23:59:51Z", True),
        ("2026-11-23T00:00:00Z", True),
        ("2026-11-23T00:00:09Z", True),
        ("2026-11-23T00:00:11Z", False),
        ("2026-11-23T01:00:05+01:00", True),
        ("2026-11-23T00:00:05+01:00", False),
    ],
)
def test_when_a_day_ends(moment, about):
    assert is_near_day_end(dt.datetime.fromisoformat(moment)) is about
