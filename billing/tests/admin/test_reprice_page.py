"""*Correct call costs* and the checks of a new price in the administration."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import transaction
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser
from accounts.tests.support.clients import make_user
from billing.admin import reprice_page
from billing.models import ModelPrice, UsageEvent
from billing.services.usage import usage_stage
from billing.tests.factories import NOON, call, make_model, make_price, payer
from orchestration.models import LlmModel, Provider

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
FORM = {"first": "2026-11-22", "last": "2026-11-22", "reason": "typing error"}


@pytest.fixture
def model(db: None) -> LlmModel:
    model = make_model("wrong")
    with transaction.atomic():
        usage_stage(payer=payer(), calls=[call(model)])
    make_price(model, output_pico=1_000_000)
    return model


def address(model: LlmModel) -> str:
    return reverse("admin:orchestration_llmmodel_reprice", args=[model.pk])


def post(client: Client, model: LlmModel, **fields: str) -> Any:
    return client.post(address(model), {**FORM, **fields})


def test_a_preview_then_the_correction(model: LlmModel) -> None:
    client = superuser()
    assert "Correct call costs" in client.get(page(LlmModel, "change", model.pk)).content.decode()
    preview = post(client, model).content.decode()
    assert "1 calls corrected, 0 unpriced calls priced, -$0.00027 added to costs." in preview
    assert UsageEvent.objects.count() == 1
    assert post(client, model, confirmed="yes").status_code == 302
    assert UsageEvent.objects.exclude(corrects=None).count() == 1
    entry = AuditEntry.objects.get(action="reprice")
    assert (entry.actor_id, entry.after["reason"]) == (User.objects.get().pk, "typing error")


def test_the_button_appears_only_if_something_changes(model: LlmModel) -> None:
    body = post(superuser(), model, first="2026-01-01", last="2026-01-02").content.decode()
    assert "0 calls corrected" in body
    assert 'name="confirmed"' not in body


@pytest.mark.parametrize(
    "fields",
    [
        {"first": "2026-11-23"},
        {"first": "soon"},
        {"last": "9999-12-31"},
        {"first": "0001-01-01"},
        {"reason": " "},
    ],
)
def test_a_form_with_an_error_changes_nothing(model: LlmModel, fields: dict[str, str]) -> None:
    response = post(superuser(), model, confirmed="yes", **fields)
    assert response.status_code == 200
    assert "errorlist" in response.content.decode()
    assert UsageEvent.objects.count() == 1


def test_too_many_calls_are_left_to_the_command(model: LlmModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reprice_page, "MAX_CALLS", 0)
    body = post(superuser(), model, confirmed="yes").content.decode()
    assert "bin/manage reprice --model wrong --from 2026-11-22 --to 2026-11-22 --reason" in body
    assert UsageEvent.objects.count() == 1


@pytest.mark.parametrize("names", [["view_usageevent"], ["add_modelprice"], ["change_llmmodel"]])
def test_it_takes_both_permissions(model: LlmModel, names: list[str]) -> None:
    staff = make_user("staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=names))
    assert signed_in(staff).get(address(model)).status_code == 403
    assert post(signed_in(staff), model, confirmed="yes").status_code == 403
    staff.user_permissions.set(Permission.objects.filter(codename__in=["view_usageevent", "add_modelprice"]))
    assert signed_in(staff).get(address(model)).status_code == 200


@pytest.mark.parametrize("object_id", ["1", "00000000-0000-0000-0000-000000000001"])
def test_a_model_that_does_not_exist(object_id: str) -> None:
    address = reverse("admin:orchestration_llmmodel_reprice", args=[object_id])
    assert superuser().get(address).status_code == 404


PRICE = {
    "effective_from_0": "2026-01-01",
    "effective_from_1": "00:00:00",
    "min_input_tokens": "0",
    "source": "contract",
    "output_pico": "0.4",
}


def test_a_price_far_from_the_data_is_asked_about() -> None:
    model = make_model("nano", priced=False)
    model.provider, model.model_id = Provider.objects.get(name="openai"), "gpt-4.1-nano"
    model.save()
    client, add = superuser(), page(ModelPrice, "add")
    fields = {**PRICE, "model": str(model.pk), "input_pico": "100"}
    body = client.post(add, fields).content.decode()
    assert "input 100.00 (listed: 0.10)" in body
    assert not model.prices.exists()
    assert client.post(add, {**fields, "is_confirmed": "on"}).status_code == 302
    assert model.prices.count() == 1


def test_a_price_dated_back_that_a_later_row_ends_is_named() -> None:
    model = make_model("one", priced=False)
    make_price(model, effective_from=NOON - dt.timedelta(days=2))
    fields = {**PRICE, "model": str(model.pk), "input_pico": "1"}
    body = superuser().post(page(ModelPrice, "add"), fields, follow=True).content.decode()
    assert "applies only until Nov 20, 12:00 PM UTC" in body
