"""The figures of reports: from the rollup alone, exact, in a fixed number of queries."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from accounts.models import Team
from accounts.tests.support.clients import make_user
from billing.days import DayRange
from billing.models import ZERO_UUID, DailyUsage, UsageEvent
from billing.reports.filters import Filters, parse_filters
from billing.reports.report import GROUPS, MAX_SERIES, TABLES, chargeback, dashboard, share, summary
from billing.reports.sums import ALL_SUMS, Sums
from billing.tests.factories import make_model
from billing.tests.support.daily import TODAY, USD, bill, day_row
from orchestration.engine.purposes import PURPOSES
from orchestration.models import Provider
from web.errors import PantheonError

pytestmark = pytest.mark.django_db

MONTH = DayRange(dt.date(2026, 10, 24), TODAY)


def figures(days=MONTH, filters=None, group="model"):
    return dashboard(days, filters or Filters(), group, today=TODAY)


def rows_of(report, group):
    [table] = [table for table in report.tables if table.group == group]
    return {row.label: row.sums.cost_pico for row in table.rows}


def test_nothing_is_zero():
    report = figures()
    assert report.totals == report.before == Sums()
    assert report.projection.projected_pico == 0
    assert [len(table.rows) for table in report.tables] == [0] * len(TABLES)
    assert report.series == []
    assert summary(MONTH, Filters(), "day", today=TODAY).totals == Sums()


def test_totals_add_every_sum_exactly():
    model = make_model()
    big = 2**53 + 1  # no float holds it
    sums = {name: number for number, name in enumerate(ALL_SUMS[:-1], 3)}
    day_row(model, **{**sums, "cost_pico": big})
    day_row(model, **{**sums, "cost_pico": big, "purpose": "route"})
    totals = figures().totals
    assert totals.cost_pico == 2 * big
    assert totals.orchestration_cost_pico == big
    assert {name: getattr(totals, name) for name in sums if name != "cost_pico"} == {
        name: 2 * value for name, value in sums.items() if name != "cost_pico"
    }
    assert totals.total_input == 2 * sum(sums[n] for n in sums if "input" in n or "cache_" in n)


def test_days_outside_the_range_do_not_count():
    model = make_model()
    for day in (
        MONTH.first - dt.timedelta(days=1),
        MONTH.first,
        MONTH.last,
        MONTH.last + dt.timedelta(days=1),
    ):
        day_row(model, day=day)
    assert figures().totals.calls == 2
    assert figures().before.calls == 1


def test_every_group_sums_to_the_total():
    random.seed(4)
    models = [make_model(f"model-{number}") for number in range(3)]
    for number in range(60):
        day_row(
            random.choice(models),
            day=MONTH.first + dt.timedelta(days=random.randrange(30)),
            team_id=uuid.UUID(int=random.randrange(3)),
            user_id=uuid.UUID(int=random.randrange(1, 5)),
            room_id=uuid.UUID(int=random.randrange(4)),
            agent_id=uuid.UUID(int=random.randrange(4)),
            purpose=random.choice(PURPOSES),
            mode=random.choice(["manual", "roundtable"]),
            cost_pico=random.randrange(10**15),
            calls=number + 1,
        )
    totals = figures().totals
    assert totals.calls == sum(range(1, 61))
    assert totals.cost_pico == DailyUsage.objects.aggregate(cost=Sum("cost_pico"))["cost"]
    for group in GROUPS:
        report = figures(group=group)
        assert report.totals == totals
        for table in report.tables:
            assert sum((row.sums for row in table.rows), table.rest or Sums()) == totals
        assert sum(sum(series.costs) for series in report.series) == totals.cost_pico
        by_group = summary(MONTH, Filters(), group, today=TODAY)
        assert by_group.totals == totals
        assert by_group.before == report.before
        assert [(row.key, row.sums) for row in by_group.table.rows] == [
            (row.key, row.sums) for row in next(t for t in report.tables if t.group == group).rows
        ]


def test_the_rollup_of_billed_calls_is_their_sum():
    alice, legal, model = make_user("alice"), Team.objects.create(name="Legal"), make_model()
    noon = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
    for purpose in ("reply", "reply", "route"):
        bill(model, alice, noon, team=legal, purpose=purpose)
    bill(make_model("free", priced=False), alice, noon, team=legal)
    report = figures(group="purpose")
    events = UsageEvent.objects.aggregate(cost=Sum("cost_pico"), output=Sum("output_tokens"))
    assert (report.totals.cost_pico, report.totals.output_tokens) == (events["cost"], events["output"])
    assert report.totals.calls == 4
    assert report.totals.unpriced_calls == 1
    assert share(report.totals.orchestration_cost_pico, report.totals.cost_pico) == Decimal("0.3333")


def test_names_of_what_is_and_of_what_is_gone():
    alice, legal, model = make_user("alice"), Team.objects.create(name="Legal"), make_model()
    noon = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
    bill(model, alice, noon, team=legal, room_name="Old name")
    bill(model, alice, noon + dt.timedelta(hours=1), team=legal, room_name="Board")
    report = figures()
    assert list(rows_of(report, "room")) == ["Board"]
    assert list(rows_of(report, "agent")) == ["@ana"]
    assert list(rows_of(report, "user")) == ["alice@example.com"]
    assert list(rows_of(report, "team")) == ["Legal"]
    assert list(rows_of(report, "model")) == ["test-model"]
    assert list(rows_of(report, "purpose")) == ["Answer"]
    legal.delete()
    gone = alice.pk
    alice.delete()
    report = figures()
    assert list(rows_of(report, "team")) == ["Legal"]
    assert list(rows_of(report, "user")) == [f"deleted ({str(gone)[:8]})"]


def test_what_has_no_team_room_or_agent_says_so():
    day_row(make_model())
    report = figures()
    assert list(rows_of(report, "team")) == ["no team"]
    assert list(rows_of(report, "room")) == ["no room (direct chat)"]
    assert list(rows_of(report, "agent")) == ["Manager and summaries"]


@pytest.mark.parametrize("name", ["team", "user", "room", "agent", "model", "provider", "mode", "purpose"])
def test_a_filter_keeps_what_it_names(name):
    other = Provider.objects.create(name="other", kind="openai")
    here, there = make_model("here"), make_model("there")
    there.provider = other
    there.save()
    one, two = uuid.UUID(int=1), uuid.UUID(int=2)
    keys = ("team_id", "user_id", "room_id", "agent_id")
    day_row(here, **dict.fromkeys(keys, one), mode="manual", purpose="reply", cost_pico=1)
    day_row(there, **dict.fromkeys(keys, two), mode="roundtable", purpose="route", cost_pico=2)
    values = {"model": there.pk, "provider": other.pk, "mode": "roundtable", "purpose": "route"}
    filters = parse_filters({name: str(values.get(name, two))})
    assert figures(filters=filters).totals.cost_pico == 2
    assert figures(filters=filters).projection.cost_pico == 2
    assert summary(MONTH, filters, "day", today=TODAY).totals.cost_pico == 2
    assert parse_filters(filters.query()) == filters


def test_filters_are_read_by_name_too():
    alice, legal, model = make_user("alice"), Team.objects.create(name="Legal"), make_model()
    read = parse_filters(
        {
            "user": " Alice@Example.com",
            "team": "Legal",
            "model": model.alias,
            "provider": "test",
            "room": "none",
        }
    )
    assert read == Filters(
        user=alice.pk, team=legal.pk, model=model.pk, provider=model.provider_id, room=ZERO_UUID
    )
    assert parse_filters({"user": "", "team": " "}) == Filters()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *[(name, "\x00") for name in Filters().__slots__],
        *[(name, "x" * 300) for name in Filters().__slots__],
        ("room", "board"),
        ("agent", "ana"),
        ("model", "no-such-model"),
        ("user", "nobody@example.com"),
        ("purpose", "chat"),
        ("mode", "Manual; DROP"),
    ],
)
def test_an_invalid_filter_is_refused(name, text):
    with pytest.raises(PantheonError) as refused:
        parse_filters({name: text})
    assert refused.value.code == "invalid_parameter"
    assert refused.value.details == {"parameter": name}


def test_a_table_shows_ten_and_sums_the_rest():
    model = make_model()
    for number in range(1, 13):
        day_row(model, user_id=uuid.UUID(int=number), cost_pico=number)
    [few] = [table for table in figures().tables if table.group == "user"]
    assert [row.sums.cost_pico for row in few.rows] == [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]
    assert few.rest is not None
    assert (few.rest.cost_pico, few.rest.calls) == (3, 2)
    [all_of_them] = [table for table in figures(group="user").tables if table.group == "user"]
    assert len(all_of_them.rows) == 12
    assert all_of_them.rest is None


def test_the_chart_stacks_the_top_keys_and_sums_the_others():
    yesterday = TODAY - dt.timedelta(days=1)
    for number in range(1, MAX_SERIES + 3):
        day_row(make_model(f"model-{number}"), cost_pico=number, day=yesterday)
    series = figures(DayRange(yesterday, TODAY)).series
    assert [one.label for one in series] == [*[f"model-{n}" for n in range(9, 2, -1)], "Other"]
    assert series[-1].costs == [1 + 2, 0]
    assert series[0].costs == [9, 0]


def test_the_month_is_projected_from_its_days_so_far():
    model = make_model()
    day_row(model, cost_pico=10, day=dt.date(2026, 10, 31))
    day_row(model, cost_pico=23, day=dt.date(2026, 11, 1))
    day_row(model, cost_pico=22 * USD)
    projection = figures(DayRange(TODAY, TODAY)).projection
    assert projection.cost_pico == 22 * USD + 23
    assert (projection.so_far.length, projection.month.length) == (22, 30)
    assert projection.projected_pico == 30 * USD + 31  # 23 x 30 / 22 = 31.36


def test_the_months_of_each_team():
    legal, sales = Team.objects.create(name="Legal"), Team.objects.create(name="Sales")
    model = make_model()
    day_row(model, team_id=legal.pk, cost_pico=5, day=dt.date(2026, 9, 1))
    day_row(model, team_id=legal.pk, cost_pico=7, day=dt.date(2026, 11, 1))
    day_row(model, team_id=sales.pk, cost_pico=11, day=dt.date(2026, 10, 31))
    day_row(model, cost_pico=13, day=TODAY)
    day_row(model, cost_pico=99, day=dt.date(2026, 8, 31))
    months = chargeback(TODAY, 3)
    assert [str(month.first) for month in months.months] == ["2026-11-01", "2026-10-01", "2026-09-01"]
    assert [(label, list(costs)) for _, label, costs in months.rows] == [
        ("Legal", [7, 0, 5]),
        ("no team", [13, 0, 0]),
        ("Sales", [0, 11, 0]),
    ]
    assert list(months.totals) == [20, 11, 5]
    assert chargeback(dt.date(2020, 1, 1), 2).totals == [0, 0]


@pytest.mark.parametrize(("part", "whole", "found"), [(0, 0, None), (1, 3, "0.3333"), (2, 2, "1.0000")])
def test_a_share_is_no_float(part, whole, found):
    assert share(part, whole) == (None if found is None else Decimal(found))


@pytest.mark.parametrize("group", GROUPS)
def test_more_rows_ask_no_more_queries(group):
    def queries():
        with CaptureQueriesContext(
            connection,
        ) as asked:
            figures(group=group)
            summary(MONTH, Filters(), group, today=TODAY)
            chargeback(TODAY, 3)
        return len(asked)

    def usage(number):
        team, user = Team.objects.create(name=f"Team {number}"), make_user(f"user-{number}")
        bill(
            make_model(f"model-{number}"),
            user,
            dt.datetime(2026, 11, 1 + number, tzinfo=dt.UTC),
            team=team,
            room_id=uuid.uuid4(),
            agent_id=uuid.uuid4(),
        )

    usage(0)
    few = queries()
    for number in range(1, 14):
        usage(number)
    assert queries() == few
    assert few <= 30  # of three reports; PostgreSQL is told three times how to sum
