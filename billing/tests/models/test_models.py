"""Ledger rows are written once: neither the ORM nor changes of the rows they refer to alter them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import IntegrityError, models, transaction
from django.db.models import ProtectedError

from accounts.tests.support.clients import make_user
from billing.models import DailyUsage, LedgerIsAppendOnly, UsageEvent
from billing.services.usage import usage_stage
from billing.tests.factories import NOON, USAGE_PICO, call, make_model, make_price, payer

pytestmark = pytest.mark.django_db


@pytest.fixture
def event(db: None) -> UsageEvent:
    with transaction.atomic():
        usage_stage(payer=payer(), calls=[call(make_model())])
    return UsageEvent.objects.get()


@pytest.fixture(params=["event", "price"])
def row(request: pytest.FixtureRequest, event: UsageEvent) -> models.Model:
    assert event.price is not None
    return event if request.param == "event" else event.price


CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "save": lambda rows, row: row.save(),
    "save of one field": lambda rows, row: row.save(update_fields=["created_at"]),
    "save of a copy": lambda rows, row: type(row)(pk=row.pk).save(force_update=True),
    "save of a field of a copy": lambda rows, row: type(row)(pk=row.pk).save(update_fields=["created_at"]),
    "asave": lambda rows, row: async_to_sync(row.asave)(),
    "delete": lambda rows, row: row.delete(),
    "adelete": lambda rows, row: async_to_sync(row.adelete)(),
    "update of all": lambda rows, row: rows.update(created_at=NOON),
    "update of some": lambda rows, row: rows.filter(pk=row.pk).update(created_at=NOON),
    "aupdate": lambda rows, row: async_to_sync(rows.all().aupdate)(created_at=NOON),
    "delete of all": lambda rows, row: rows.all().delete(),
    "delete of some": lambda rows, row: rows.filter(pk=row.pk).delete(),
    "bulk_update": lambda rows, row: rows.bulk_update([row], ["created_at"]),
    "update_or_create": lambda rows, row: rows.update_or_create(defaults={"created_at": NOON}, pk=row.pk),
    "upsert": lambda rows, row: rows.bulk_create(
        [row], update_conflicts=True, unique_fields=["id"], update_fields=["created_at"]
    ),
    "abulk_create": lambda rows, row: async_to_sync(rows.all().abulk_create)(
        [row], update_conflicts=True, unique_fields=["id"], update_fields=["created_at"]
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_no_change_goes_through_the_orm(row: Any, change: Callable[[Any, Any], Any]) -> None:
    before = type(row).objects.values().get(pk=row.pk)
    row.created_at = NOON
    with pytest.raises(LedgerIsAppendOnly):
        change(type(row).objects, row)
    assert type(row).objects.values().get(pk=row.pk) == before


def test_a_row_of_the_same_id_is_no_change_either(row: Any) -> None:
    copy = type(row)(**type(row).objects.values().get(pk=row.pk))
    with pytest.raises(IntegrityError), transaction.atomic():
        copy.save()


def test_the_rows_of_a_model_are_no_way_round(event: UsageEvent) -> None:
    with pytest.raises(LedgerIsAppendOnly):
        event.model.prices.update(input_pico=1)
    with pytest.raises(LedgerIsAppendOnly):
        event.model.prices.all().delete()


def test_what_the_ledger_refers_to_cannot_go(event: UsageEvent) -> None:
    with pytest.raises(ProtectedError):
        event.model.delete()
    with pytest.raises(ProtectedError):
        type(event.model).objects.filter(pk=event.model.pk).delete()


def test_the_ledger_outlives_its_people() -> None:
    user = make_user("alice")
    with transaction.atomic():
        usage_stage(payer=payer(user_id=user.pk), calls=[call(make_model())])
    before = UsageEvent.objects.values().get()
    user_id = user.pk
    user.delete()
    assert UsageEvent.objects.values().get() == before
    assert DailyUsage.objects.get().user_id == user_id


def test_a_correction_is_a_row_of_its_own(event: UsageEvent) -> None:
    values = UsageEvent.objects.values().get()
    correction = UsageEvent(**{**values, **NO_TOKENS, "id": uuid.uuid4(), "corrects_id": event.pk})
    correction.save()
    assert list(event.corrections.all()) == [correction]
    assert event.cost_pico == USAGE_PICO


NO_TOKENS = dict.fromkeys(
    [
        *("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens"),
        *("output_tokens", "reasoning_tokens"),
    ],
    0,
)


@pytest.mark.parametrize(
    "changes",
    [
        {"input_tokens": 1},
        {"cache_read_tokens": 1},
        {"cache_write_5m_tokens": 1},
        {"cache_write_1h_tokens": 1},
        {"output_tokens": 1},
        {"provider_cost_pico": 1},
        {"cost_pico": None, "price_id": None},
    ],
)
def test_a_correction_is_cost_alone(event: UsageEvent, changes: dict[str, Any]) -> None:
    values = {**UsageEvent.objects.values().get(), **NO_TOKENS, "id": uuid.uuid4(), "corrects_id": event.pk}
    with pytest.raises(IntegrityError), transaction.atomic():
        UsageEvent.objects.create(**{**values, **changes})


def test_an_event_has_one_first_correction_and_one_second(event: UsageEvent) -> None:
    values = {**UsageEvent.objects.values().get(), **NO_TOKENS, "corrects_id": event.pk}
    for number in (0, 1):
        correction = {**values, "corrections_before": number, "cost_before_pico": 7}
        UsageEvent.objects.create(**{**correction, "id": uuid.uuid4()})
        with pytest.raises(IntegrityError), transaction.atomic():
            UsageEvent.objects.create(**{**correction, "id": uuid.uuid4()})


@pytest.mark.parametrize("changes", [{"cost_before_pico": 1}, {"corrections_before": 1}])
def test_a_call_has_no_cost_before_it(event: UsageEvent, changes: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        UsageEvent.objects.create(**{**UsageEvent.objects.values().get(), "id": uuid.uuid4(), **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"cost_pico": None},
        {"price_id": None},
        {"reasoning_tokens": 31},
        {"input_tokens": -1},
        {"output_tokens": -1},
        {"source": "none"},
        {"latency_ms": -1},
    ],
)
def test_the_database_refuses_an_event_that_cannot_be(event: UsageEvent, changes: dict[str, Any]) -> None:
    values = UsageEvent.objects.values().get()
    with pytest.raises(IntegrityError), transaction.atomic():
        UsageEvent.objects.create(**{**values, "id": uuid.uuid4(), **changes})


@pytest.mark.parametrize(
    "rate", ["input_pico", "cache_read_pico", "cache_write_5m_pico", "cache_write_1h_pico", "output_pico"]
)
def test_the_database_refuses_a_negative_price(rate: str) -> None:
    model = make_model(priced=False)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_price(model, **{rate: -1})
    make_price(model, **{rate: 0})


def test_the_key_of_a_day_is_there_once(event: UsageEvent) -> None:
    row = DailyUsage.objects.get()
    row.pk = None
    row._state.adding = True
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()


def test_rows_say_what_they_are(event: UsageEvent) -> None:
    assert str(event) == "Answer on test-model-2026"
    assert str(event.price) == "test-model from Oct 23, 2026"
    assert str(DailyUsage.objects.get()) == "2026-11-22 test-model"
