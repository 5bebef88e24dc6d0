"""What staff do to the catalogue and its prices is in the audit log."""

from __future__ import annotations

import pytest

from accounts.models import AuditEntry
from accounts.tests.admin_site import page, static_files_as_they_are, superuser
from billing.models import ModelPrice
from billing.tests.factories import make_model
from orchestration.models import LlmModel, Provider

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db


def test_a_price() -> None:
    model = make_model(priced=False)
    form = {
        "model": model.pk,
        "effective_from_0": "2026-11-01",
        "effective_from_1": "00:00",
        "min_input_tokens": 0,
        "input_pico": "2",
        "output_pico": "10",
        "source": "our contract",
    }
    response = superuser().post(page(ModelPrice, "add"), form)
    assert response.status_code == 302
    price = ModelPrice.objects.get(model=model)
    [found] = AuditEntry.objects.all()
    assert (found.action, found.object_type, found.object_id) == ("add", "billing.ModelPrice", str(price.pk))
    assert (found.after["input_pico"], found.after["source"]) == (2_000_000, "our contract")


def test_the_catalogue() -> None:
    client = superuser()
    client.post(page(Provider, "add"), {"name": "another", "kind": "openai", "enabled": "on"})
    provider = Provider.objects.get(name="another")
    client.post(page(Provider, "change", provider.pk), {"name": "another", "kind": "openai"})
    client.post(page(Provider, "delete", provider.pk), {"post": "yes"})
    made, changed, gone = AuditEntry.objects.order_by("at")
    assert (made.action, made.after["name"]) == ("add", "another")
    assert (changed.before, changed.after) == ({"enabled": True}, {"enabled": False})
    assert (gone.action, gone.before["name"], gone.after) == ("delete", "another", {})


def test_a_model() -> None:
    model = make_model()
    form = {
        "alias": "renamed",
        "provider": model.provider_id,
        "model_id": model.model_id,
        "position": 100,
        "context_window": 32_768,
        "max_output_tokens": 2_048,
        "json_schema": "on",
        "temperature": "on",
    }
    superuser().post(page(LlmModel, "change", model.pk), {**form, "enabled": "on"})
    [found] = AuditEntry.objects.all()
    assert (found.before, found.after) == ({"alias": "test-model"}, {"alias": "renamed"})
