"""State of budgets: all for staff, the binding ones for a person."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import Team
from accounts.tests.support.clients import make_user
from billing.days import utc_today
from billing.models import Budget, BudgetPeriod, Hold, HoldLine
from billing.selectors.budgets import (
    Fill,
    fullest_budgets,
    own_fills,
    states_of,
    target_names,
    urgent_fill,
)
from billing.services.budgets import budget_save
from billing.tests.factories import USAGE_PICO, make_model
from billing.tests.support.budgets import USD, make_budget, spend
from billing.tests.support.daily import bill

pytestmark = pytest.mark.django_db
TODAY = utc_today


@pytest.fixture
def legal():
    return Team.objects.create(name="Legal")


@pytest.fixture
def alice(legal):
    return make_user("alice", team=legal)


def states():
    return states_of(Budget.objects.all(), today=TODAY())


def mine(user):
    return [(fill.budget, fill.spent_pico) for fill in own_fills(user, today=TODAY())]


@pytest.mark.parametrize(
    ("limit", "spent", "held", "percent", "available"),
    [
        (10 * USD, 0, 0, "0", 10 * USD),
        (10 * USD, 5 * USD, 2 * USD, "50", 3 * USD),
        (3 * USD, USD, 0, "33.3", 2 * USD),
        (USD, USD - 1, 0, "99.9", 1),
        (USD, USD - 1, 5, "99.9", 0),
        (USD, 3 * USD, 0, "300", 0),
        (0, 0, 0, "100", 0),
        (0, 7, 0, "100", 0),
    ],
)
def test_percent_is_rounded_down_and_nothing_left_is_zero(limit, spent, held, percent, available):
    budget = Budget(scope="everyone", limit_pico=limit)
    fill = Fill(budget, budget.target_id, TODAY(), spent, held)
    assert (fill.percent, fill.available_pico) == (Decimal(percent), available)


@pytest.mark.parametrize(
    ("spent", "passed"), [(0, None), (49, None), (50, 50), (79, 50), (80, 80), (100, 100), (170, 100)]
)
def test_the_highest_threshold_that_was_reached(spent, passed):
    budget = Budget(scope="everyone", limit_pico=100, thresholds=[50, 80, 100])
    assert Fill(budget, budget.target_id, TODAY(), spent).passed == passed


def test_a_period_that_is_not_there_has_spent_nothing():
    budget = make_budget(usd=5)
    BudgetPeriod.objects.all().delete()
    [state] = states()
    assert state.current == Fill(budget, budget.target_id, budget.start_of(TODAY()), 0, 0)


def test_a_period_begins_with_what_was_spent_before_the_budget_was_made(alice, legal):
    bill(make_model(), alice, timezone.now(), team=legal)
    make_budget("team", legal)
    make_budget(applies="each")
    assert [state.current.spent_pico for state in states()] == [USAGE_PICO, USAGE_PICO]
    assert [spent for _, spent in mine(alice)] == [USAGE_PICO, USAGE_PICO]


@pytest.mark.parametrize("period", ["day", "month"])
def test_only_the_current_period_counts(period):
    budget = make_budget(period=period, usd=1)
    spend(budget, 30)
    yesterday = budget.start_of(TODAY()) - dt.timedelta(days=1)
    BudgetPeriod.objects.create(budget=budget, start=budget.start_of(yesterday), spent_pico=9 * USD)
    [state] = states()
    assert state.current.spent_pico == 3 * USD // 10
    assert mine(make_user("bob")) == [(budget, 3 * USD // 10)]
    assert state.current.start == budget.start_of(TODAY())
    assert state.current.resets_at == budget.resets_at(state.current.start)


def test_of_each_member_the_fullest_come_first_and_all_are_counted():
    budget = make_budget(applies="each", usd=1)
    people = [make_user(f"p{number}") for number in range(7)]
    for cents, person in enumerate(people, start=1):
        spend(budget, cents, by=person)
    [state] = states()
    assert [fill.member_id for fill in state.fullest] == [person.pk for person in reversed(people[2:])]
    assert state.members == 7
    assert state.current == state.fullest[0]


def test_a_member_with_a_budget_of_their_own_is_not_among_them(alice):
    budget, bob = make_budget(applies="each"), make_user("bob")
    spend(budget, 50, by=alice)
    spend(budget, 20, by=bob)
    make_budget("user", alice, usd=100)
    make_budget("user", bob, usd=100, period="day")
    each = next(state for state in states() if state.budget == budget)
    assert [fill.member_id for fill in each.fullest] == [bob.pk]
    assert each.members == 1


def test_what_binds_me(alice, legal):
    other = Team.objects.create(name="Other")
    total, each = make_budget(), make_budget(applies="each")
    team, team_each = make_budget("team", legal), make_budget("team", legal, applies="each")
    for scope, target in (("team", other), ("user", make_user("bob")), ("room", uuid.uuid4())):
        make_budget(scope, target)
    assert {budget for budget, _ in mine(alice)} == {total, each, team, team_each}
    own = make_budget("user", alice)
    assert {budget for budget, _ in mine(alice)} == {total, team, own}
    daily = make_budget(applies="each", period="day")
    assert {budget for budget, _ in mine(alice)} == {total, team, own, daily}


def test_without_a_team_no_team_binds(legal):
    make_budget("team", legal)
    assert mine(make_user("bob")) == []


def test_of_a_budget_for_each_member_i_see_my_own_row(alice):
    budget, bob = make_budget(applies="each"), make_user("bob")
    spend(budget, 700, by=bob)
    spend(budget, 100, by=alice)
    assert mine(alice) == [(budget, USD)]
    assert mine(make_user("carol")) == [(budget, 0)]


def test_the_fullest_comes_first(alice):
    budgets = [make_budget(usd=usd) for usd in (10, 2, 5, 0)]
    for budget in budgets:
        spend(budget, 100)
    order = [budgets[3], budgets[1], budgets[2], budgets[0]]
    assert [budget for budget, _ in mine(alice)] == order
    assert fullest_budgets(today=TODAY(), limit=3) == order[:3]


def test_the_most_urgent_has_passed_a_threshold(alice):
    soft = make_budget(usd=10, hard=False, thresholds=[80])
    hard = make_budget(usd=20, thresholds=[10])
    for budget in (soft, hard):
        spend(budget, 600)
    found = urgent_fill(alice, today=TODAY())
    assert found is not None
    assert (found.budget, found.passed) == (hard, 10)
    spend(soft, 200)
    found = urgent_fill(alice, today=TODAY())
    assert found is not None
    assert (found.budget, found.passed) == (soft, 80)


def test_nothing_is_urgent_in_a_new_period_or_where_it_is_overridden(alice):
    each = make_budget(applies="each", usd=1)
    spend(each, 100, by=alice)
    assert urgent_fill(alice, today=TODAY()) is not None
    assert urgent_fill(alice, today=each.resets_at(each.start_of(TODAY())).date()) is None
    make_budget("user", alice)
    assert urgent_fill(alice, today=TODAY()) is None


@pytest.mark.parametrize("applies", ["total", "each"])
def test_open_holds_of_the_last_period_are_held_of_this_one(alice, applies):
    day, member = dt.timedelta(days=1), {"member_id": alice.pk} if applies == "each" else {}
    budget = make_budget(applies=applies, period="day")
    Budget.objects.update(counts_from=TODAY() - day)
    over = BudgetPeriod.objects.create(budget=budget, start=TODAY() - day, held_pico=3 * USD, **member)
    hold = Hold.objects.create(turn_id=uuid.uuid4(), amount_pico=3 * USD, created_at=timezone.now() - day)
    HoldLine.objects.create(hold=hold, period=over, amount_pico=3 * USD)
    assert [fill.available_pico for fill in own_fills(alice, today=TODAY())] == [7 * USD]
    spend(budget, 100, by=alice if member else None, held_cents=100)
    [state] = states()
    assert (state.current.held_pico, state.current.available_pico) == (4 * USD, 5 * USD)
    assert [fill.available_pico for fill in own_fills(alice, today=TODAY())] == [5 * USD]
    Hold.objects.update(resolved_at=timezone.now())
    assert states()[0].current.available_pico == 8 * USD
    assert [fill.available_pico for fill in own_fills(alice, today=TODAY())] == [8 * USD]


def test_an_unspent_total_shows_what_is_carried_over(alice):
    day = dt.timedelta(days=1)
    budget = make_budget(period="day")
    over = budget.periods.get()
    BudgetPeriod.objects.update(start=TODAY() - day, held_pico=USD)
    hold = Hold.objects.create(turn_id=uuid.uuid4(), amount_pico=USD, created_at=timezone.now() - day)
    HoldLine.objects.create(hold=hold, period=over, amount_pico=USD)
    assert states()[0].current.available_pico == 9 * USD


def test_names_of_targets(alice, legal):
    gone = uuid.uuid4()
    budgets = [
        make_budget(),
        make_budget("team", legal),
        make_budget("user", alice),
        make_budget("room", gone),
    ]
    names = target_names(budgets)
    assert names[legal.pk] == "Legal"
    assert names[alice.pk] == "alice@example.com"
    assert names[gone] == f"deleted ({str(gone)[:8]})"
    bill(make_model(), alice, timezone.now(), room_id=gone, room_name="Cellar")
    assert target_names(budgets)[gone] == "Cellar"


def test_as_many_statements_for_many_budgets_as_for_one(alice, legal, django_assert_num_queries):
    budgets = [make_budget("team", legal), make_budget("user", alice), make_budget(applies="each")]
    spend(budgets[2], 10, by=alice)
    for _ in range(2):
        with django_assert_num_queries(3):  # the budgets themselves, how they stand, what is carried over
            states()
        with django_assert_num_queries(1):
            own_fills(alice, today=TODAY())
        with django_assert_num_queries(1):
            fullest_budgets(today=TODAY(), limit=5)
        with django_assert_num_queries(2):
            target_names(budgets)
        for number in range(4):
            person = make_user(f"p{uuid.uuid4().hex[:6]}")
            budgets += [
                make_budget("user", person),
                make_budget("team", Team.objects.create(name=person.name)),
            ]
            spend(budgets[2], number, by=person)


def test_a_budget_that_counts_something_else_is_recounted(alice):
    budget = make_budget()
    spend(budget, 500)
    budget.scope, budget.target_id = Budget.Scope.USER, alice.pk
    budget_save(budget=budget)
    assert mine(alice) == [(budget, 0)]
