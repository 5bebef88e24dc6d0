"""The cost of the current month, for the front page of the administration: from the rollups, one statement."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from billing.days import DayRange, month_of
from billing.reports.filters import Filters
from billing.reports.report import Projection
from billing.reports.sums import Sums, memory_for_sums, scope_of, totals


@dataclass(frozen=True, slots=True)
class MonthCosts:
    """The month to date, its projection, today, and the whole month before."""

    so_far: Sums
    today: Sums
    before: Sums
    projection: Projection


@memory_for_sums()
def month_costs(today: dt.date) -> MonthCosts:
    month = month_of(today)
    to_date = DayRange(month.first, today)
    scope = scope_of(to_date, Filters())
    month_before = month_of(month.first - dt.timedelta(days=1))
    so_far, of_today, before = totals([scope, scope.over(DayRange(today, today)), scope.over(month_before)])
    return MonthCosts(so_far, of_today, before, Projection(month, to_date, so_far.cost_pico))
