from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.db import transaction
from django.forms.models import model_to_dict
from django.utils import timezone

from accounts.models import User
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser
from billing.models import DailyUsage, ModelPrice, UsageEvent
from billing.services.usage import usage_stage
from billing.tests.factories import call, payer, report
from orchestration.models import LlmModel, Provider

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db

RATES = {
    "input_pico": "2.50",
    "cache_read_pico": "0.25",
    "cache_write_5m_pico": "3.125",
    "cache_write_1h_pico": "0",
    "output_pico": "10",
}
"""Rates in USD per million tokens."""


@pytest.fixture
def model():
    provider = Provider.objects.create(name="lab", kind="openai")
    return LlmModel.objects.create(
        alias="lab-1", provider=provider, model_id="one", context_window=8192, max_output_tokens=1024
    )


@pytest.fixture
def event(model):
    price = ModelPrice.objects.create(
        model=model,
        input_pico=2_500_000,
        cache_read_pico=0,
        cache_write_5m_pico=0,
        cache_write_1h_pico=0,
        output_pico=0,
        source="test",
    )
    event = UsageEvent(
        user_id=User.objects.create_user("ada@example.org").pk,
        session_id=uuid.uuid4(),
        turn_id=uuid.uuid4(),
        mode="manual",
        purpose="reply",
        provider="lab",
        model=model,
        model_asked="one",
        input_tokens=1001,
        source="provider",
        price=price,
        cost_pico=1001 * 2_500_000,
        status="ok",
    )
    event.save(force_insert=True)
    return event


def price_form(model, **changes):
    when = {"effective_from_0": "2026-11-01", "effective_from_1": "00:00:00"}
    return {"model": model.pk, "min_input_tokens": 0, "source": "price list", **when, **RATES, **changes}


def test_a_price_is_typed_in_usd_per_million_tokens(model):
    client = superuser()
    response = client.post(page(ModelPrice, "add"), price_form(model))
    assert response.status_code == 302
    price = ModelPrice.objects.get(model=model)
    assert price.input_pico == 2_500_000
    assert price.cache_read_pico == 250_000
    assert price.cache_write_5m_pico == 3_125_000
    assert price.output_pico == 10_000_000
    body = client.get(page(ModelPrice, "change", price.pk)).content.decode()
    assert "3.125" in body
    assert "$2.50 / $10.00" in client.get(page(LlmModel, "changelist")).content.decode()
    assert "$2.50 / $10.00" in client.get(page(LlmModel, "change", model.pk)).content.decode()


def test_a_cache_rate_left_empty_is_the_input_rate(model):
    form = price_form(model, cache_read_pico="", cache_write_5m_pico="", cache_write_1h_pico="")
    superuser().post(page(ModelPrice, "add"), form)
    price = ModelPrice.objects.get(model=model)
    assert price.cache_read_pico == price.cache_write_5m_pico == price.cache_write_1h_pico == 2_500_000


@pytest.mark.parametrize("rate", ["-1", "0.0000001", "abc", "", "1000001", "NaN"])
def test_an_invalid_rate_is_refused(rate, model):
    response = superuser().post(page(ModelPrice, "add"), price_form(model, input_pico=rate))
    assert "input_pico" in response.context["adminform"].errors
    assert not ModelPrice.objects.filter(model=model).exists()


def test_the_page_of_a_model_leads_to_its_price_form(model):
    client = superuser()
    assert "unpriced" in client.get(page(LlmModel, "changelist")).content.decode()
    response = client.get(page(ModelPrice, "add"), {"model": model.pk})
    assert f'<option value="{model.pk}" selected>' in response.content.decode()


def test_the_ledger_cannot_be_written(event):
    DailyUsage.objects.create(day="2026-11-22", model=event.model, purpose="reply", mode="manual", calls=1)
    client = superuser()
    for row in (event, DailyUsage.objects.get(), event.price):
        table = type(row)
        before = model_to_dict(row)
        form = {name: "" if value is None else value for name, value in before.items()}
        changed = {**form, "cost_pico": "0", "input_tokens": 1, "calls": 7, "source": "none"}
        assert client.post(page(table, "change", row.pk), changed).status_code == 403
        assert client.post(page(table, "delete", row.pk), {"post": "yes"}).status_code == 403
        bulk = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        client.post(page(table, "changelist"), bulk)
        assert model_to_dict(table.objects.get(pk=row.pk)) == before
    for table in (UsageEvent, DailyUsage):
        assert client.post(page(table, "add"), {}).status_code == 403


def test_cost_and_person_are_shown_and_found(event):
    client = superuser()
    body = client.get(page(UsageEvent, "changelist")).content.decode()
    assert "0.0025025" in body
    assert "ada@example.org" in body
    assert f"/admin/chat_sessions/turn/{event.turn_id}/change/" in body
    for term in ("Ada@example.org", str(event.turn_id), str(event.pk)):
        assert client.get(page(UsageEvent, "changelist"), {"q": term}).context["cl"].result_count == 1
    for term in ("bob@example.org", str(uuid.uuid4()), "anything"):
        assert client.get(page(UsageEvent, "changelist"), {"q": term}).context["cl"].result_count == 0


def test_unpriced_calls_are_marked_and_filtered(event):
    unpriced = UsageEvent.objects.get()
    unpriced.pk, unpriced.price, unpriced.cost_pico = uuid.uuid4(), None, None
    unpriced._state.adding = True
    unpriced.save(force_insert=True)
    client = superuser()
    for choice, count in (("yes", 1), ("no", 1), ("", 2)):
        response = client.get(page(UsageEvent, "changelist"), {"priced": choice} if choice else {})
        assert response.context["cl"].result_count == count
    assert "unpriced" in client.get(page(UsageEvent, "change", unpriced.pk)).content.decode()


def test_flagged_calls_are_filtered(model):
    now = timezone.now()
    odd = report(flags=("missing_input",))
    with transaction.atomic():
        usage_stage(
            payer=payer(),
            calls=[
                call(model, ended_at=now),
                call(model, ended_at=now, report=odd),
                call(model, ended_at=now - dt.timedelta(days=400), report=odd),
            ],
        )
    listed = superuser().get(page(UsageEvent, "changelist"), {"flagged": "any"})
    found = list(listed.context["cl"].result_list)
    assert [event.flags for event in found] == [["missing_input"]] * 2
    assert found[0].created_at == now


@pytest.mark.parametrize("kind", ["other_model", "service_tier:", "input_cut", "context_limit:"])
def test_calls_are_filtered_by_the_kind_of_their_flag(model, kind):
    now = timezone.now()
    flags = [
        ("other_model",),
        ("missing_input", "service_tier:priority"),
        ("unknown_key:other_model",),
        ("input_cut",),
        ("context_limit:8192",),
    ]
    reports = [report(flags=each) for each in flags]
    with transaction.atomic():
        usage_stage(payer=payer(), calls=[call(model, ended_at=now, report=each) for each in reports])
    listed = superuser().get(page(UsageEvent, "changelist"), {"flagged": kind})
    [found] = listed.context["cl"].result_list
    assert any(flag.startswith(kind) for flag in found.flags)


def test_the_ledger_outlives_a_person(event):
    User.objects.filter(pk=event.user_id).delete()
    response = superuser().get(page(UsageEvent, "changelist"))
    assert str(event.user_id) in response.content.decode()


def test_staff_without_the_permission_see_no_prices(model):
    staff = User.objects.create_user("carol@example.org", is_staff=True)
    assert signed_in(staff).get(page(ModelPrice, "changelist")).status_code == 403
