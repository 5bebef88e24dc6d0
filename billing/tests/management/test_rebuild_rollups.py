"""Rebuilding gives the same rows as the commits, also while turns commit."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from functools import partial
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.tests.support.at_once import at_once
from billing.models import DailyUsage, UsageEvent, UsageTotal
from billing.models.rollup_columns import KEY, SUMS, TOTAL_KEY, TOTAL_SUMS
from billing.services.rollup import rollup_rebuild, rollup_wrong_rows
from billing.services.usage import MeteredCall, usage_stage
from billing.tests.factories import NOON, USAGE_PICO, call, make_model, make_price, payer, report
from orchestration.engine.specs import Usage

TODAY = NOON.date()


def stage(*calls: MeteredCall, **who: Any) -> None:
    with transaction.atomic():
        usage_stage(payer=payer(**who), calls=calls)


def rollup_rows() -> set[tuple[Any, ...]]:
    return set(DailyUsage.objects.values_list(*KEY, *SUMS))


def total_rows() -> set[tuple[Any, ...]]:
    return set(UsageTotal.objects.values_list(*TOTAL_KEY, *TOTAL_SUMS))


@st.composite
def metered(draw: st.DrawFn) -> dict[str, Any]:
    """A random call on one of three days, also at their edges."""
    count = st.integers(0, 2**31)
    usage = Usage(*(draw(count) for _ in range(5)))
    edge = st.sampled_from([0, 1, 86_400 * 10**6 - 1, 86_400 * 10**6])
    micros = draw(edge | st.integers(0, 2 * 86_400 * 10**6))
    return {
        "report": report(usage, draw(st.sampled_from(["provider", "estimated"]))),
        "ended_at": NOON.replace(hour=0) + dt.timedelta(microseconds=micros),
        "agent_id": draw(st.sampled_from([None, uuid.UUID(int=1), uuid.UUID(int=2)])),
        "purpose": draw(st.sampled_from(["reply", "route"])),
    }


who = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from([uuid.UUID(int=1), uuid.UUID(int=2)]),
        "room_id": st.sampled_from([uuid.UUID(int=0), uuid.UUID(int=3)]),
        "mode": st.sampled_from(["manual", "direct"]),
    }
)
commits = st.lists(st.tuples(who, st.lists(st.tuples(st.booleans(), metered()), max_size=5)), max_size=5)


class TestTheSameRows(TestCase):
    @settings(deadline=None, max_examples=40)
    @given(commits=commits)
    def test_as_commits_have_added_up(self, commits: list[Any]) -> None:
        models = {True: make_model("priced"), False: make_model("unpriced", priced=False)}
        for payer_fields, calls in commits:
            stage(*(call(models[priced], **fields) for priced, fields in calls), **payer_fields)
        before, totals = rollup_rows(), total_rows()
        for offset in range(3):
            day = TODAY + dt.timedelta(days=offset)
            rebuilt = rollup_rebuild(day=day)
            assert (rebuilt.wrong, rebuilt.rows) == (0, sum(row[0] == day for row in before))
        assert (rollup_rows(), total_rows()) == (before, totals)


@pytest.fixture
def ledger(db: None) -> set[tuple[Any, ...]]:
    """Three days of events and their rows."""
    models = [make_model("one"), make_model("two", priced=False)]
    for hours in (0, 24, 48):
        for model in models:
            stage(call(model, ended_at=NOON + dt.timedelta(hours=hours)), call(model, agent_id=None))
    return rollup_rows()


def command(**options: Any) -> str:
    out = StringIO()
    call_command("rebuild_rollups", stdout=out, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    "broken", ["a sum", "a row too few", "a row too many", "all gone", "a whole day too many"]
)
def test_wrong_rows_are_fixed_and_reported(ledger: set[tuple[Any, ...]], broken: str) -> None:
    totals = total_rows()
    row = DailyUsage.objects.filter(day=TODAY).first()
    assert row is not None
    wrong = 1
    if broken == "a sum":
        DailyUsage.objects.filter(pk=row.pk).update(cost_pico=row.cost_pico + 1)
    elif broken == "a row too few":
        row.delete()
    elif broken == "all gone":
        wrong = DailyUsage.objects.count()
        DailyUsage.objects.all().delete()
    else:
        row.pk = None
        row._state.adding = True
        row.mode = "never"
        row.day = TODAY + dt.timedelta(days=9) if broken == "a whole day too many" else TODAY
        row.save()
    said = command()
    assert (rollup_rows(), total_rows()) == (ledger, totals)
    assert f"{wrong} were wrong." in said
    assert "0 were wrong." in command()


@pytest.mark.parametrize("cut", ["total", "agent", "model+purpose", "no agent+mode", "week:user", "week:all"])
@pytest.mark.parametrize("broken", ["a sum", "a row too few", "a row too many"])
def test_wrong_totals_are_fixed_and_reported(ledger: set[tuple[Any, ...]], cut: str, broken: str) -> None:
    totals = total_rows()
    row = UsageTotal.objects.filter(cut=cut).first()
    assert row is not None
    if broken == "a sum":
        UsageTotal.objects.filter(pk=row.pk).update(orchestration_cost_pico=row.orchestration_cost_pico + 1)
    elif broken == "a row too few":
        row.delete()
    else:
        row.pk, row._state.adding, row.mode = None, True, "never"
        row.save()
    assert total_rows() != totals
    assert "1 were wrong." in command()
    assert (rollup_rows(), total_rows()) == (ledger, totals)
    assert "0 were wrong." in command()


def test_only_the_days_asked_for(ledger: set[tuple[Any, ...]]) -> None:
    DailyUsage.objects.update(calls=100)
    tomorrow = TODAY + dt.timedelta(days=1)
    said = command(first=tomorrow, last=tomorrow)
    assert "Rebuilt 1 days" in said
    for day in (TODAY, tomorrow, TODAY + dt.timedelta(days=2)):
        assert (rollup_wrong_rows(day=day) == 0) == (day == tomorrow)


@pytest.mark.django_db
def test_an_empty_ledger_has_nothing_to_rebuild() -> None:
    assert "empty" in command()


def test_a_range_is_the_right_way_round(ledger: set[tuple[Any, ...]]) -> None:
    with pytest.raises(CommandError, match="after"):
        command(first=TODAY, last=TODAY - dt.timedelta(days=1))
    assert "Rebuilt 0 days" in command(first=TODAY + dt.timedelta(days=30))


@pytest.mark.django_db
def test_an_invalid_date() -> None:
    with pytest.raises(CommandError, match="not a date such as"):
        call_command("rebuild_rollups", "--from", "yesterday")


@pytest.mark.django_db
def test_a_fixed_number_of_statements(django_assert_num_queries: Any) -> None:
    model = make_model()
    stage(*(call(model, agent_id=uuid.UUID(int=number)) for number in range(60)))
    with django_assert_num_queries(
        11 + (connection.vendor == "postgresql")
    ):  # with the savepoint of the test
        rollup_rebuild(day=TODAY)


@pytest.mark.django_db(transaction=True)
def test_while_turns_commit() -> None:
    """Commits add to old rows and to new ones while their day is rebuilt again and again."""
    threads, rounds = 4, 8
    model = make_model()
    make_price(model)
    stage(call(model))
    # With a missing row, a rebuild and a commit could both try to insert it first.
    DailyUsage.objects.all().delete()

    def commit(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(rounds):
            agents = chance.sample(range(1, 30), 6)
            stage(call(model), *(call(model, agent_id=uuid.UUID(int=agent)) for agent in agents))

    def rebuild() -> None:
        for _ in range(rounds):
            rollup_rebuild(day=TODAY)

    outcomes = at_once(rebuild, *(partial(commit, seed) for seed in range(threads)))
    assert outcomes == [None] * (threads + 1)
    assert UsageEvent.objects.count() == 1 + threads * rounds * 7
    assert rollup_wrong_rows(day=TODAY) == 0
    assert sum(row.cost_pico for row in DailyUsage.objects.all()) == USAGE_PICO * UsageEvent.objects.count()
