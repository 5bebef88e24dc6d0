"""The catalogue remembers which request fields a model's server refuses, and staff may change it."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import Permission

from accounts.models import AuditEntry, User
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser
from orchestration.models import LlmModel, Provider
from orchestration.selectors import model_spec
from orchestration.services import unsupported_field_record

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def model() -> LlmModel:
    provider = Provider.objects.create(name="lab", kind="openai")
    return LlmModel.objects.create(
        alias="lab-1", provider=provider, model_id="one", context_window=8192, max_output_tokens=1024
    )


def form_of(model: LlmModel, **changes: object) -> dict[str, object]:
    form = {
        "alias": model.alias,
        "provider": model.provider_id,
        "model_id": model.model_id,
        "context_window": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "position": model.position,
        "enabled": "on",
    }
    return {**form, **changes}


def test_a_refusal_is_kept_with_date_and_reason_and_is_audited(model: LlmModel) -> None:
    unsupported_field_record(model_id=model.pk, field="temperature", reason="HTTP 400 unsupported_value")
    unsupported_field_record(model_id=model.pk, field="temperature", reason="again")
    model.refresh_from_db()
    assert model.unsupported["temperature"]["reason"] == "HTTP 400 unsupported_value"
    assert model.unsupported["temperature"]["since"].endswith("Z")
    assert tuple(model_spec(model).unsupported) == ("temperature",)
    [entry] = AuditEntry.objects.filter(action="change")
    assert entry.actor_id is None
    assert "unsupported" in entry.after


def test_unknown_fields_and_deleted_models_are_ignored(model: LlmModel) -> None:
    unsupported_field_record(model_id=model.pk, field="messages", reason="HTTP 400")
    unsupported_field_record(model_id=uuid.uuid4(), field="temperature", reason="HTTP 400")
    model.refresh_from_db()
    assert model.unsupported == {}


def test_the_administration_shows_and_switches_what_is_left_out(model: LlmModel) -> None:
    unsupported_field_record(model_id=model.pk, field="temperature", reason="HTTP 400 unsupported_value")
    client = superuser()
    url = page(LlmModel, "change", model.pk)
    text = client.get(url).content.decode()
    assert "HTTP 400 unsupported_value" in text

    response = client.post(url, form_of(model, left_out=["stream_options"], first_token_timeout_s="300"))

    assert response.status_code == 302
    model.refresh_from_db()
    assert set(model.unsupported) == {"stream_options"}
    assert model.unsupported["stream_options"]["reason"] == "set by hand"
    assert model_spec(model).first_token_timeout_s == 300
    entry = AuditEntry.objects.filter(action="change").latest("at")
    assert entry.actor_id is not None
    assert set(entry.after) >= {"unsupported", "first_token_timeout_s"}


def test_saving_keeps_date_and_reason(model: LlmModel) -> None:
    unsupported_field_record(model_id=model.pk, field="temperature", reason="HTTP 400 unsupported_value")
    client = superuser()
    client.post(page(LlmModel, "change", model.pk), form_of(model, left_out=["temperature"]))
    before = LlmModel.objects.get(pk=model.pk).unsupported
    assert before["temperature"]["reason"] == "HTTP 400 unsupported_value"


def test_learnt_refusals_are_forgotten_and_manual_ones_stay(model: LlmModel) -> None:
    unsupported_field_record(model_id=model.pk, field="temperature", reason="HTTP 400 unsupported_value")
    client = superuser()
    url = page(LlmModel, "change", model.pk)
    client.post(url, form_of(model, left_out=["temperature", "store"]))
    assert "Learned from the server" in client.get(url).content.decode()

    response = client.post(url.replace("/change/", "/forget/"), follow=True)

    text = response.content.decode()
    assert "Sent again from the next turn: temperature." in text
    assert "Learned from the server" not in text
    model.refresh_from_db()
    assert set(model.unsupported) == {"store"}
    entry = AuditEntry.objects.filter(action="change").latest("at")
    assert entry.actor_id is not None
    assert set(entry.after["unsupported"]) == {"store"}


def test_staff_who_only_look_do_not_forget(model: LlmModel) -> None:
    unsupported_field_record(model_id=model.pk, field="temperature", reason="HTTP 400")
    staff = User.objects.create_user("carol@example.org", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename="view_llmmodel"))
    client, url = signed_in(staff), page(LlmModel, "change", model.pk)
    assert "Forget what was learned" not in client.get(url).content.decode()
    assert client.post(url.replace("/change/", "/forget/")).status_code == 403
    model.refresh_from_db()
    assert set(model.unsupported) == {"temperature"}


def test_the_administration_lists_an_effort_once_it_is_refused(model: LlmModel) -> None:
    client = superuser()
    url = page(LlmModel, "change", model.pk)
    assert "reasoning_effort=high" not in client.get(url).content.decode()
    unsupported_field_record(model_id=model.pk, field="reasoning_effort=high", reason="HTTP 400")
    assert "reasoning_effort=high: The nearest" in client.get(url).content.decode()
    client.post(url, form_of(model))
    model.refresh_from_db()
    assert model.unsupported == {}


def test_the_administration_sets_the_efforts(model: LlmModel) -> None:
    client = superuser()
    url = page(LlmModel, "change", model.pk)
    form = form_of(model, reasoning_effort="low", reasoning_efforts=["low", "max"])
    assert client.post(url, form).status_code == 302
    spec = model_spec(LlmModel.objects.get(pk=model.pk))
    assert (spec.reasoning_effort, [*spec.reasoning_efforts]) == ("low", ["low", "max"])
    assert client.post(url, form_of(model, reasoning_efforts=["huge"])).status_code == 200
    assert client.post(url, form_of(model, reasoning_effort="huge")).status_code == 200
