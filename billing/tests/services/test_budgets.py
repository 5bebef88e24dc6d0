"""What budgets count, since when, and their notices."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from billing.days import month_of
from billing.fields import PICO_PER_USD
from billing.models import ZERO_UUID, Budget, BudgetNotice, BudgetPeriod, UsageEvent
from billing.selectors.binding import binding_budgets
from billing.selectors.budgets import events_of_period
from billing.services.budgets import budget_delete, budget_save
from billing.services.reprice import events_reprice
from billing.services.usage import usage_stage
from billing.tests.factories import USAGE_PICO, call, make_model, make_price, payer
from orchestration.models import LlmModel
from web.errors import ValidationFailed

pytestmark = pytest.mark.django_db

ADA, BEN = uuid.UUID(int=101), uuid.UUID(int=102)
LEGAL, SALES = uuid.UUID(int=201), uuid.UUID(int=202)
BOARD = uuid.UUID(int=301)


@pytest.fixture
def model(db: None) -> LlmModel:
    return make_model()


@pytest.fixture
def now() -> dt.datetime:
    return timezone.now()


def budget(scope: str = "everyone", target: uuid.UUID = ZERO_UUID, usd: int = 100, **fields: Any) -> Budget:
    return budget_save(budget=Budget(scope=scope, target_id=target, limit_pico=usd * PICO_PER_USD, **fields))


def spend(model: LlmModel, at: dt.datetime, user: uuid.UUID = ADA, **who: Any) -> None:
    """One call of USAGE_PICO."""
    fields = {"team_id": LEGAL, "room_id": BOARD, "turn_id": uuid.uuid4(), **who}
    with transaction.atomic():
        usage_stage(payer=payer(user_id=user, **fields), calls=[call(model, ended_at=at)])


def spent(budget: Budget) -> dict[tuple[uuid.UUID, dt.date], int]:
    return {(row.member_id, row.start): row.spent_pico for row in budget.periods.all()}


def assert_periods_are_their_events() -> None:
    for period in BudgetPeriod.objects.select_related("budget"):
        assert period.spent_pico == sum(event.cost_pico or 0 for event in events_of_period(period))


def test_a_budget_counts_what_its_scope_spends(model, now) -> None:
    today, month = now.date(), month_of(now.date()).first
    everyone, legal = budget(), budget("team", LEGAL, period="day")
    ada, board = budget("user", ADA), budget("room", BOARD, period="day")
    each = budget(applies="each")
    spend(model, now)
    spend(model, now, BEN)
    spend(model, now, BEN, team_id=SALES, room_id=ZERO_UUID)
    assert spent(everyone) == {(ZERO_UUID, month): 3 * USAGE_PICO}
    assert spent(legal) == {(ZERO_UUID, today): 2 * USAGE_PICO}
    assert spent(ada) == {(ZERO_UUID, month): USAGE_PICO}
    assert spent(board) == {(ZERO_UUID, today): 2 * USAGE_PICO}
    assert spent(each) == {(ADA, month): USAGE_PICO, (BEN, month): 2 * USAGE_PICO}
    assert_periods_are_their_events()


def test_a_new_period_is_a_new_row(model, now) -> None:
    daily = budget(period="day")
    spend(model, now)
    spend(model, now + dt.timedelta(days=1))
    rows = spent(daily)
    assert rows == {
        (ZERO_UUID, now.date()): USAGE_PICO,
        (ZERO_UUID, now.date() + dt.timedelta(days=1)): USAGE_PICO,
    }
    assert_periods_are_their_events()


def test_a_period_begins_with_what_was_spent_in_it_before_the_budget(model, now) -> None:
    spend(model, now)
    spend(model, now, BEN)
    monthly = budget()
    each = budget("team", LEGAL, applies="each", period="day")
    month = month_of(now.date()).first
    assert spent(monthly) == {(ZERO_UUID, month): 2 * USAGE_PICO}
    assert spent(each) == {(ADA, now.date()): USAGE_PICO, (BEN, now.date()): USAGE_PICO}
    assert_periods_are_their_events()


def test_what_happened_before_the_first_period_is_not_counted(model, now) -> None:
    daily = budget(period="day")
    spend(model, now - dt.timedelta(days=1))
    assert sum(spent(daily).values()) == 0
    assert_periods_are_their_events()


def test_a_changed_limit_keeps_the_spending_and_a_changed_scope_recounts_it(model, now) -> None:
    changed = budget()
    spend(model, now)
    spend(model, now, BEN)
    before = changed.periods.get()
    changed.limit_pico = 7 * PICO_PER_USD
    budget_save(budget=changed)
    assert changed.periods.get() == before
    changed.scope, changed.target_id, changed.period = "user", BEN, "day"
    budget_save(budget=changed)
    assert spent(changed) == {(ZERO_UUID, now.date()): USAGE_PICO}
    spend(model, now, BEN)
    assert spent(changed) == {(ZERO_UUID, now.date()): 2 * USAGE_PICO}
    assert_periods_are_their_events()


def test_a_correction_is_spent_in_the_period_of_its_call(now) -> None:
    unpriced = make_model("later", priced=False)
    monthly = budget()
    spend(unpriced, now)
    assert sum(spent(monthly).values()) == 0
    make_price(unpriced, effective_from=now - dt.timedelta(days=1))
    events_reprice(start=now - dt.timedelta(hours=1))
    assert sum(spent(monthly).values()) == USAGE_PICO
    assert_periods_are_their_events()


def test_many_calls_of_a_turn_are_one_addition(model, now, django_assert_num_queries) -> None:
    monthly, each = budget(), budget(applies="each")
    with transaction.atomic():
        usage_stage(payer=payer(user_id=ADA), calls=[call(model, ended_at=now) for _ in range(5)])
    assert sum(spent(monthly).values()) == sum(spent(each).values()) == 5 * USAGE_PICO


def test_a_users_own_budget_replaces_per_member_ones_of_its_period(now) -> None:
    each_month, each_day = budget(applies="each"), budget(applies="each", period="day")
    total = budget("team", LEGAL)
    own = budget("user", ADA)
    everything = [each_month, each_day, total, own]
    assert binding_budgets(everything, ADA) == [each_day, total, own]
    assert binding_budgets([each_month, each_day, total], BEN) == [each_month, each_day, total]


def test_each_threshold_is_noted_once_per_period(model, now) -> None:
    monthly = Budget(scope="everyone", limit_pico=4 * USAGE_PICO, thresholds=[50, 80, 100, 150])
    budget_save(budget=monthly)
    told = []
    for _ in range(6):
        spend(model, now)
        told.append(sorted(BudgetNotice.objects.values_list("threshold", flat=True)))
    assert told == [[], [50], [50], [50, 80, 100], [50, 80, 100], [50, 80, 100, 150]]


def test_thresholds_already_passed_are_noted_on_create_and_on_a_lower_limit(model, now) -> None:
    spend(model, now)
    monthly = Budget(scope="everyone", limit_pico=2 * USAGE_PICO)
    budget_save(budget=monthly)
    assert list(BudgetNotice.objects.values_list("threshold", flat=True)) == [50]
    monthly.limit_pico = USAGE_PICO
    budget_save(budget=monthly)
    assert sorted(BudgetNotice.objects.values_list("threshold", flat=True)) == [50, 80, 100]


def test_an_overridden_budget_gives_no_notice(model, now) -> None:
    each = Budget(scope="everyone", applies="each", limit_pico=USAGE_PICO)
    budget_save(budget=each)
    budget("user", ADA, usd=1000)
    spend(model, now, ADA)
    assert not BudgetNotice.objects.exists()
    spend(model, now, BEN)
    assert {notice.period.member_id for notice in BudgetNotice.objects.all()} == {BEN}


def test_nor_when_that_one_is_made(model, now) -> None:
    budget("user", ADA, usd=1000)
    spend(model, now, ADA)
    spend(model, now, BEN)
    each = Budget(scope="everyone", applies="each", limit_pico=USAGE_PICO)
    budget_save(budget=each)
    assert {notice.period.member_id for notice in BudgetNotice.objects.all()} == {BEN}


def test_a_deleted_budget_leaves_nothing(model, now) -> None:
    gone = budget(usd=0)
    spend(model, now)
    budget_delete(budget=gone)
    assert not BudgetPeriod.objects.exists()
    spend(model, now)
    assert UsageEvent.objects.count() == 2


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"thresholds": [80, 50]}, "thresholds"),
        ({"thresholds": [0]}, "thresholds"),
        ({"thresholds": [1001]}, "thresholds"),
        ({"thresholds": [True]}, "thresholds"),
        ({"thresholds": ["50"]}, "thresholds"),
        ({"thresholds": "50"}, "thresholds"),
        ({"thresholds": list(range(1, 12))}, "thresholds"),
        ({"scope": "planet"}, "scope"),
        ({"period": "year"}, "period"),
        ({"applies": "some"}, "applies"),
    ],
)
def test_nonsense_is_refused(fields, field) -> None:
    with pytest.raises(ValidationFailed) as refused:
        budget_save(budget=Budget(**{"scope": "everyone", "limit_pico": 1, **fields}))
    assert field in refused.value.details["fields"]
    assert not Budget.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"limit_pico": -1},
        {"scope": "team"},
        {"target_id": ADA},
        {"scope": "user", "target_id": ADA, "applies": "each"},
    ],
)
def test_what_does_not_go_together_is_refused(fields) -> None:
    with pytest.raises(ValidationFailed):
        budget_save(budget=Budget(**{"scope": "everyone", "limit_pico": 1, **fields}))
