from __future__ import annotations

import pytest

from accounts.tests.admin_site import page, static_files_as_they_are, superuser
from orchestration.models import LlmModel, Provider
from orchestration.selectors import available_models

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db


def make_model(alias="lab-1", **fields):
    provider, _ = Provider.objects.get_or_create(name="lab", kind=Provider.Kind.OPENAI, key_env="LAB_API_KEY")
    return LlmModel.objects.create(
        alias=alias, provider=provider, model_id="one", context_window=8192, max_output_tokens=1024, **fields
    )


def test_a_provider_and_a_model_work_once_they_are_saved(monkeypatch):
    monkeypatch.setenv("LAB_API_KEY", "key")
    client = superuser()
    client.post(
        page(Provider, "add"),
        {
            "name": "lab",
            "kind": "openai",
            "base_url": "http://ollama:11434/v1",
            "key_env": "LAB_API_KEY",
            "enabled": "on",
        },
    )
    provider = Provider.objects.get(name="lab")
    client.post(
        page(LlmModel, "add"),
        {
            "alias": "lab-1",
            "provider": provider.pk,
            "model_id": "one",
            "context_window": 8192,
            "max_output_tokens": 1024,
            "position": 1,
            "enabled": "on",
        },
    )
    assert "lab-1" in [model.alias for model in available_models()]
    model = LlmModel.objects.get(alias="lab-1")
    assert not model.json_schema
    assert not model.temperature


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key_env", "sk-this-is-the-key-itself"),
        ("base_url", "ftp://example.org"),
        ("base_url", "https://user:secret@example.org"),
        ("kind", "telnet"),
        ("name", "a b"),
    ],
)
def test_a_provider_that_cannot_work_is_refused(field, value):
    form = {"name": "lab", "kind": "openai", "key_env": "LAB_API_KEY", "enabled": "on", field: value}
    response = superuser().post(page(Provider, "add"), form)
    assert response.status_code == 200
    assert field in response.context["adminform"].errors
    assert not Provider.objects.filter(key_env=form["key_env"]).exists()


@pytest.mark.parametrize(("key", "icon"), [("key", "icon-yes"), ("", "icon-no")])
def test_the_key_is_looked_for_and_never_shown(key, icon, monkeypatch):
    monkeypatch.setenv("LAB_API_KEY", key and "sk-secret")
    model = make_model()
    client = superuser()
    for url in (page(Provider, "change", model.provider_id), page(LlmModel, "change", model.pk)):
        body = client.get(url).content.decode()
        assert icon in body
        assert "sk-secret" not in body


def test_what_is_referred_to_is_switched_off_instead_of_deleted():
    model = make_model()
    client = superuser()
    assert client.post(page(Provider, "delete", model.provider_id), {"post": "yes"}).status_code == 403
    client.post(page(LlmModel, "delete", model.pk), {"post": "yes"})
    assert client.post(page(Provider, "delete", model.provider_id), {"post": "yes"}).status_code == 302
    assert not Provider.objects.filter(name="lab").exists()
