"""The figures of every report are the plain sums of the usage in its range and filters."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections import defaultdict
from typing import Any

import pytest
from django.db import transaction

from accounts.models import Team
from accounts.tests.support.clients import make_user
from billing.days import DayRange
from billing.models import ZERO_UUID, UsageEvent
from billing.models.rollup_columns import SUMS
from billing.reports.filters import Filters
from billing.reports.report import GROUPS, dashboard, summary
from billing.reports.sums import ALL_SUMS, Sums, days_around, whole_weeks
from billing.selectors.keys import COLUMNS
from billing.services.reprice import events_reprice, model_events_correct
from billing.tests.factories import NOON, RATES, USAGE_PICO, make_model, make_price
from billing.tests.support.daily import TODAY, bill
from billing.tests.support.usage_rows import DAYS, make_usage

pytestmark = pytest.mark.django_db

Usage = list[dict[str, Any]]
MONTH = DayRange(TODAY - dt.timedelta(days=29), TODAY)
SUMMED = tuple(name for name in Filters.__slots__ if name != "flag")
"""The filters that the rollups know; of the other, test_flagged.py."""
ATTRIBUTES = {**COLUMNS, "provider": "provider_id"}


def sums_of(rows: Usage) -> Sums:
    totals = {name: sum(row[name] for row in rows) for name in SUMS}
    of_orchestration = sum(row["cost_pico"] for row in rows if row["purpose"] != "reply")
    return Sums(**totals, orchestration_cost_pico=of_orchestration)


def kept(usage: Usage, days: DayRange, filters: Filters) -> Usage:
    active = filters.active().items()
    return [
        row
        for row in usage
        if row["day"] in days and all(row[ATTRIBUTES[name]] == value for name, value in active)
    ]


def by_group(rows: Usage, group: str) -> dict[Any, Sums]:
    found: dict[Any, Usage] = defaultdict(list)
    for row in rows:
        found[row[ATTRIBUTES[group]]].append(row)
    return {key: sums_of(of_key) for key, of_key in found.items()}


def agrees(usage: Usage, days: DayRange, filters: Filters, group: str) -> None:
    rows = kept(usage, days, filters)
    report = dashboard(days, filters, group, today=TODAY)
    assert report.totals == sums_of(rows)
    assert report.before == sums_of(kept(usage, days.before(), filters))
    month = DayRange(TODAY.replace(day=1), TODAY)
    assert report.projection.cost_pico == sums_of(kept(usage, month, filters)).cost_pico
    for table in report.tables:
        expected = by_group(rows, table.group)
        assert {row.key: row.sums for row in table.rows} == expected
        if table.group != "day":
            costs = [(-row.sums.cost_pico, str(row.key)) for row in table.rows]
            assert costs == sorted(costs)
    of_days = by_group(rows, "day")
    for place, day in enumerate(days.days):
        assert sum(series.costs[place] for series in report.series) == of_days.get(day, Sums()).cost_pico
    found = summary(days, filters, group, today=TODAY)
    assert (found.totals, found.before) == (report.totals, report.before)
    assert {row.key: row.sums for row in found.table.rows} == by_group(rows, group)


@pytest.fixture
def usage() -> Usage:
    return make_usage(400)


def a_range(chance: random.Random) -> DayRange:
    first = TODAY - dt.timedelta(days=chance.randrange(DAYS))
    return DayRange(first, min(TODAY, first + dt.timedelta(days=chance.choice([0, 1, 6, 7, 12, 29, 60]))))


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("name", ["", *SUMMED])
def test_with_every_filter_by_every_group(usage: Usage, group: str, name: str) -> None:
    chance = random.Random(f"{group} {name}")
    values = sorted({row[ATTRIBUTES[name]] for row in usage}, key=str) if name else [None]
    for value in chance.sample(values, min(2, len(values))):
        filters = Filters(**{name: value}) if name else Filters()
        agrees(usage, a_range(chance), filters, group)
    if ZERO_UUID in values:
        agrees(usage, MONTH, Filters().having(name, ZERO_UUID), group)


@pytest.mark.parametrize("seed", range(10))
def test_with_several_filters(usage: Usage, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(4):
        row = chance.choice(usage)
        names = chance.sample(SUMMED, chance.choice([2, 2, 3, 4]))
        filters = Filters(**{name: row[ATTRIBUTES[name]] for name in names})
        agrees(usage, a_range(chance), filters, chance.choice(GROUPS))


def test_a_range_is_its_weeks_and_the_days_around_them() -> None:
    first = dt.date(2026, 11, 16)
    for start in range(14):
        for length in range(1, 40):
            begin = first + dt.timedelta(days=start)
            days = DayRange(begin, begin + dt.timedelta(days=length - 1))
            weeks = whole_weeks(days)
            if weeks is None:
                assert length < 13
                continue
            assert (weeks.first.isoweekday(), weeks.last.isoweekday()) == (1, 7)
            others = days_around(days, weeks)
            assert all(part.length < 7 for part in others)
            covered = sorted(day for part in (weeks, *others) for day in part.days)
            assert covered == days.days


def test_corrections_are_in_every_figure() -> None:
    """Repriced calls count as if they had been priced at once: on their day, and as one call."""
    free, priced = make_model("free", priced=False), make_model("priced")
    alice, legal = make_user("alice"), Team.objects.create(name="Legal")
    with transaction.atomic():
        for days_ago, purpose in ((0, "reply"), (3, "route"), (10, "reply"), (20, "summarize")):
            at = NOON - dt.timedelta(days=days_ago)
            agent = None if purpose == "route" else uuid.UUID(int=7)
            bill(free, alice, at, team=legal, purpose=purpose, agent_id=agent)
            bill(priced, alice, at, purpose="reply")
    before = dashboard(MONTH, Filters(), "model", today=TODAY).totals
    assert (before.calls, before.unpriced_calls, before.cost_pico) == (8, 4, 4 * USAGE_PICO)
    make_price(free)
    assert sum(model.priced for model in events_reprice(start=MONTH.begin)) == 4
    make_price(priced, effective_from=NOON - dt.timedelta(days=5), output_pico=1)
    corrected = model_events_correct(model=priced, start=MONTH.begin, reason="a typing error", actor_id=None)
    saved = 2 * 30 * (RATES["output_pico"] - 1)
    assert (corrected.corrected, corrected.cost_pico) == (2, -saved)
    events = usage_of_events()
    filters = [
        Filters(),
        Filters(team=legal.pk),
        Filters(user=alice.pk),
        Filters(model=free.pk),
        Filters(provider=free.provider_id),
        Filters(agent=ZERO_UUID),
        Filters(purpose="route"),
        Filters(team=legal.pk, purpose="reply"),
    ]
    for one in filters:
        for group in GROUPS:
            agrees(events, MONTH, one, group)
    after = dashboard(MONTH, Filters(), "model", today=TODAY).totals
    assert (after.calls, after.unpriced_calls, after.cost_pico) == (8, 0, 8 * USAGE_PICO - saved)
    assert after.corrected_cost_pico == -saved
    assert after.orchestration_cost_pico == 2 * USAGE_PICO
    assert after.output_tokens == before.output_tokens


def usage_of_events() -> Usage:
    """Return the ledger as rows of usage, one per call with its current cost."""
    rows = []
    for event in UsageEvent.objects.calls().select_related("model"):
        changes = [row.cost_pico for row in event.corrections.all()]
        cost = sum(changes, event.cost_pico or 0) if changes else event.cost_pico
        sums = {name: getattr(event, name) for name in SUMS if name.endswith("_tokens")}
        sums |= {
            "calls": 1,
            "cost_pico": cost or 0,
            "estimated_cost_pico": 0,
            "corrected_cost_pico": 0 if event.cost_pico is None else sum(changes),
            "unpriced_calls": int(cost is None),
        }
        row = {column: getattr(event, column) for column in COLUMNS.values() if column != "day"}
        rows.append({**row, **sums, "day": event.created_at.date(), "provider_id": event.model.provider_id})
    assert set(ALL_SUMS) - set(SUMS) == {"orchestration_cost_pico"}
    return rows
