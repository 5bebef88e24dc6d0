"""The daily rollup is always the sum of the events, also with concurrent commits."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.db.models import BigIntegerField, Case, Count, F, Q, Sum, Value, When
from django.db.models.functions import Coalesce, TruncDate

from accounts.tests.support.at_once import at_once
from billing.models import ZERO_UUID, DailyUsage, UsageEvent, UsageTotal
from billing.models.bucket_columns import TOKENS
from billing.models.rollup_columns import KEY, SUMS, TOTAL_KEY, TOTAL_SUMS
from billing.models.rollup_cuts import CUTS
from billing.services.rollup import rollup_add
from billing.services.usage import MeteredCall, usage_stage
from billing.tests.factories import NOON, USAGE_PICO, call, make_model, payer, report
from orchestration.engine.specs import Usage

pytestmark = pytest.mark.django_db

Rows = dict[tuple[Any, ...], tuple[int, ...]]


def stage(*calls: MeteredCall, **who: Any) -> None:
    with transaction.atomic():
        usage_stage(payer=payer(**who), calls=calls)


def rollup_rows() -> Rows:
    rows = DailyUsage.objects.values_list(*KEY, *SUMS)
    return {row[: len(KEY)]: row[len(KEY) :] for row in rows}


def sums_by_the_database() -> Rows:
    """Group the events like the rollup, without its code."""
    estimated = Case(When(source="estimated", then=F("cost_pico")), default=Value(0))
    sums = {
        "calls": Count("pk"),
        **{name: Sum(name) for name in TOKENS},
        "cost": Coalesce(Sum("cost_pico"), 0),
        "estimated": Coalesce(Sum(estimated), 0),
        "corrected": Value(0, output_field=BigIntegerField()),
        "unpriced": Count("pk", filter=Q(cost_pico__isnull=True)),
    }
    keys = ("utc_day", *KEY[1:])
    events = UsageEvent.objects.annotate(utc_day=TruncDate("created_at", tzinfo=dt.UTC))
    grouped = (
        events.order_by().values(*keys).annotate(**{f"sum_{name}": value for name, value in sums.items()})
    )
    return {tuple(row[key] for key in keys): tuple(row[f"sum_{name}"] for name in sums) for row in grouped}


def total_rows() -> Rows:
    rows = UsageTotal.objects.values_list(*TOTAL_KEY, *TOTAL_SUMS)
    return {row[: len(TOTAL_KEY)]: row[len(TOTAL_KEY) :] for row in rows}


def totals_by_hand(rows: Rows) -> Rows:
    """Sum daily rows by the columns of each cut, without the rollup's code."""
    found: Rows = {}
    for (day, *ids), sums in rows.items():
        of_row = dict(zip(KEY[1:], ids, strict=True))
        for cut, kept in CUTS.items():
            if cut.startswith("no ") and of_row[kept[0]] != ZERO_UUID:
                continue
            at = day - dt.timedelta(days=day.weekday()) if cut.startswith("week:") else day
            blank = {name: ZERO_UUID if name.endswith("_id") else "" for name in KEY[1:]}
            key = (cut, at, *(of_row[name] if name in kept else blank[name] for name in KEY[1:]))
            added = (*sums, 0 if of_row["purpose"] == "reply" else sums[SUMS.index("cost_pico")])
            found[key] = tuple(a + b for a, b in zip(found.get(key, (0,) * len(added)), added, strict=True))
    return found


def test_rows_are_the_sums_of_the_events() -> None:
    chance = random.Random(20261122)
    models = [make_model("one"), make_model("two"), make_model("unpriced", priced=False)]
    for _ in range(30):
        calls = [
            call(
                chance.choice(models),
                agent_id=chance.choice([None, uuid.UUID(int=1), uuid.UUID(int=2)]),
                purpose=chance.choice(["reply", "route", "synthesize"]),
                ended_at=NOON + dt.timedelta(hours=chance.randrange(48)),
                report=report(
                    Usage(*(chance.randrange(1000) for _ in range(5))),
                    chance.choice(["provider", "estimated"]),
                ),
            )
            for _ in range(chance.randrange(1, 9))
        ]
        who = {
            "user_id": uuid.UUID(int=chance.randrange(2)),
            "team_id": uuid.UUID(int=chance.randrange(2)),
            "room_id": uuid.UUID(int=chance.randrange(3)),
            "mode": chance.choice(["manual", "direct"]),
        }
        stage(*calls, **who)
    rows = rollup_rows()
    assert rows == sums_by_the_database()
    assert 50 < len(rows) < UsageEvent.objects.count()
    assert total_rows() == totals_by_hand(rows)


def test_a_second_commit_adds_to_the_row_of_the_first() -> None:
    model = make_model()
    for _ in range(3):
        stage(call(model), call(model))
    row = DailyUsage.objects.get()
    assert (row.calls, row.input_tokens, row.cost_pico) == (6, 600, 6 * USAGE_PICO)
    assert (row.cache_read_tokens, row.cache_write_5m_tokens, row.cache_write_1h_tokens) == (300, 120, 60)
    assert (row.output_tokens, row.reasoning_tokens) == (180, 30)
    assert (row.day, row.user_id, row.model) == (NOON.date(), payer().user_id, model)


@pytest.mark.parametrize(
    ("calls", "who"),
    [
        ({"agent_id": uuid.UUID(int=99)}, {}),
        ({"purpose": "route"}, {}),
        ({"ended_at": NOON + dt.timedelta(days=1)}, {}),
        ({}, {"user_id": uuid.UUID(int=99)}),
        ({}, {"team_id": uuid.UUID(int=99)}),
        ({}, {"room_id": uuid.UUID(int=99)}),
        ({}, {"mode": "direct"}),
    ],
)
def test_each_part_of_the_key_has_its_own_row(calls: dict[str, Any], who: dict[str, Any]) -> None:
    model = make_model()
    stage(call(model))
    stage(call(model, **calls), **who)
    assert [row.calls for row in DailyUsage.objects.all()] == [1, 1]


def test_models_have_their_own_rows() -> None:
    stage(call(make_model("one")), call(make_model("two")))
    assert DailyUsage.objects.count() == 2


@pytest.mark.parametrize(
    ("attempt", "session_id"), [(1, uuid.UUID(int=5)), (2, uuid.UUID(int=5)), (1, uuid.UUID(int=55))]
)
def test_what_no_report_groups_by_shares_a_row(attempt: int, session_id: uuid.UUID) -> None:
    model = make_model()
    stage(call(model))
    stage(call(model, attempt=attempt, status="failed"), session_id=session_id)
    assert DailyUsage.objects.get().calls == 2


@pytest.mark.parametrize(
    ("ended_at", "day"),
    [
        ("2026-11-22T23:59:59.999999+00:00", "2026-11-22"),
        ("2026-11-23T00:00:00+00:00", "2026-11-23"),
        ("2026-11-23T01:00:00+02:00", "2026-11-22"),
        ("2026-11-22T20:00:00-05:00", "2026-11-23"),
    ],
)
def test_a_day_is_a_day_of_utc(ended_at: str, day: str) -> None:
    stage(call(make_model(), ended_at=dt.datetime.fromisoformat(ended_at)))
    assert DailyUsage.objects.get().day.isoformat() == day


def test_adds_many_rows_in_two_statements(django_assert_num_queries) -> None:
    model = make_model()
    stage(*(call(model, agent_id=uuid.UUID(int=number)) for number in range(60)))
    events = list(UsageEvent.objects.all())
    with transaction.atomic(), django_assert_num_queries(2):  # the days, the totals
        rollup_add(events)
    assert [row.calls for row in DailyUsage.objects.all()] == [2] * 60


@pytest.mark.django_db(transaction=True)
def test_commits_at_once_neither_lock_each_other_out_nor_lose_a_sum() -> None:
    """Every commit adds to the same rows, each in another order."""
    threads, commits, agents = 6, 8, 5
    models = [make_model("one"), make_model("two")]

    def commit(seed: int) -> int:
        chance = random.Random(seed)
        for _ in range(commits):
            calls = [
                call(model, agent_id=uuid.UUID(int=1 + agent)) for model in models for agent in range(agents)
            ]
            chance.shuffle(calls)
            stage(*calls)
        return seed

    assert at_once(*(partial(commit, seed) for seed in range(threads))) == list(range(threads))
    rows = DailyUsage.objects.all()
    assert len(rows) == len(models) * agents
    assert {(row.calls, row.cost_pico) for row in rows} == {
        (threads * commits, threads * commits * USAGE_PICO)
    }
    assert rollup_rows() == sums_by_the_database()
    assert total_rows() == totals_by_hand(rollup_rows())


@pytest.mark.django_db(transaction=True)
def test_of_two_commits_of_one_call_one_is_refused() -> None:
    model = make_model()
    made = call(model)
    outcomes = at_once(partial(stage, made), partial(stage, made))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["IntegrityError", "NoneType"]
    assert DailyUsage.objects.get().calls == UsageEvent.objects.count() == 1
