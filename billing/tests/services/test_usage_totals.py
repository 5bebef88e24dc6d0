"""The totals: filled from an existing ledger, and selected so that no column is missing."""

from __future__ import annotations

import datetime as dt
from importlib import import_module
from itertools import combinations
from typing import Any

import pytest
from django.db import connection

from billing.models import UsageTotal
from billing.models.rollup_columns import TOTAL_KEY, TOTAL_SUMS
from billing.models.rollup_cuts import (
    CUTS,
    DAILY,
    EVERYTHING,
    FEW,
    NONE,
    WEEKLY,
    is_small,
    smallest_daily_cut,
    smallest_weekly_cut,
)
from billing.tests.factories import make_model
from billing.tests.support.daily import TODAY, day_row
from billing.tests.support.usage_rows import make_usage

migration = import_module("billing.migrations.0007_usage_totals_filled")

ANY_COLUMNS = [some for size in range(8) for some in combinations(EVERYTHING, size)]


class Editor:
    """The part of a schema editor that the migration uses; SQLite's does not open inside a transaction."""

    connection = connection

    def execute(self, sql: str, params: None) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql)


def total_rows() -> set[tuple[Any, ...]]:
    """Return the totals without the sum of corrections, which is younger than the migration."""
    sums = (name for name in TOTAL_SUMS if name != "corrected_cost_pico")
    return set(UsageTotal.objects.values_list(*TOTAL_KEY, *sums))


@pytest.mark.django_db
def test_the_totals_of_an_existing_ledger() -> None:
    make_usage(60)
    as_commits_add = total_rows()
    migration.empty(None, Editor())
    assert not UsageTotal.objects.exists()
    migration.fill(None, Editor())
    assert total_rows() == as_commits_add
    assert {row[0] for row in as_commits_add} == set(CUTS) == set(migration.CUTS)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("day", "monday"),
    [("2026-11-22", "2026-11-16"), ("2026-11-23", "2026-11-23"), ("2027-01-01", "2026-12-28")],
)
def test_a_week_begins_on_its_monday(day: str, monday: str) -> None:
    day_row(make_model(), day=dt.date.fromisoformat(day))
    assert {str(row.day) for row in UsageTotal.objects.filter(cut__in=WEEKLY)} == {monday}
    assert {str(row.day) for row in UsageTotal.objects.filter(cut__in=DAILY)} == {day}
    migration.empty(None, Editor())
    migration.fill(None, Editor())
    assert {str(row.day) for row in UsageTotal.objects.filter(cut__in=WEEKLY)} == {monday}


@pytest.mark.parametrize("columns", ANY_COLUMNS, ids=",".join)
def test_a_cut_keeps_the_columns_asked_for(columns: tuple[str, ...]) -> None:
    cut = smallest_daily_cut(columns)
    assert cut not in NONE
    assert cut is None or set(columns) <= set(DAILY[cut])
    assert set(columns) <= set(WEEKLY[smallest_weekly_cut(columns)])
    assert is_small(cut) == (cut is not None and set(columns) <= set(FEW))


def test_rows_of_no_agent_are_for_no_agent_alone() -> None:
    assert smallest_daily_cut(["agent_id", "purpose"]) is None
    assert smallest_daily_cut(["agent_id", "purpose"], ["room_id"]) is None
    assert smallest_daily_cut(["agent_id", "purpose"], ["agent_id"]) == "no agent+purpose"
    assert is_small("no agent+purpose")
    assert not is_small("agent")


@pytest.mark.django_db
def test_a_row_says_what_it_is() -> None:
    day_row(make_model())
    assert str(UsageTotal.objects.get(cut="total")) == f"{TODAY} total"
