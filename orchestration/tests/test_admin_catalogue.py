from __future__ import annotations

from typing import ClassVar

import pytest
from django.contrib.auth.models import Permission

from accounts.models import AuditEntry, User
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser
from orchestration.models import LlmModel, Provider
from orchestration.selectors import available_models

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db


def make_model(alias="lab-1", **fields):
    provider, _ = Provider.objects.get_or_create(name="lab", kind="openai", key_env="LAB_API_KEY")
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
        ("key_env", "DATABASE_URL"),
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


class TestStaff:
    """Only superusers set the destinations of keys and conversations."""

    FORM: ClassVar = {
        "name": "lab",
        "kind": "openai",
        "base_url": "https://lab.example.org/v1",
        "base_url_env": "",
        "key_env": "LAB_API_KEY",
        "enabled": "on",
    }

    @pytest.fixture
    def provider(self):
        return Provider.objects.create(**{**self.FORM, "enabled": True})

    @pytest.fixture
    def staff(self):
        carol = User.objects.create_user("carol@example.org", is_staff=True)
        carol.user_permissions.set(Permission.objects.filter(content_type__app_label="orchestration"))
        return signed_in(carol)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("base_url", "https://elsewhere.example.org/v1"),
            ("base_url", ""),
            ("base_url_env", "ELSEWHERE_BASE_URL"),
            ("key_env", "OPENAI_API_KEY"),
            ("key_env", ""),
            ("kind", "anthropic"),
        ],
    )
    def test_they_rename_and_switch_but_do_not_redirect(self, staff, provider, field, value):
        form = {**self.FORM, "name": "laboratory", "enabled": "", field: value}
        assert staff.post(page(Provider, "change", provider.pk), form).status_code == 302
        before, after = getattr(provider, field), Provider.objects.get(pk=provider.pk)
        assert (after.name, after.enabled, getattr(after, field)) == ("laboratory", False, before)

    def test_a_keyless_provider_is_not_redirected_either(self, staff, provider):
        """Conversations with its models would be sent there too."""
        Provider.objects.update(key_env="")
        staff.post(page(Provider, "change", provider.pk), {**self.FORM, "base_url": "https://elsewhere"})
        assert Provider.objects.get(pk=provider.pk).base_url == self.FORM["base_url"]

    @pytest.mark.parametrize("key_env", ["OPENAI_API_KEY", ""])
    def test_they_add_none(self, staff, key_env):
        form = {**self.FORM, "base_url": "https://elsewhere", "key_env": key_env}
        assert staff.post(page(Provider, "add"), form).status_code == 403
        assert not Provider.objects.filter(name="lab").exists()

    def test_what_a_superuser_changes_is_in_the_audit_log(self, provider):
        new = "https://elsewhere.example.org/v1"
        superuser().post(page(Provider, "change", provider.pk), {**self.FORM, "base_url": new})
        entry = AuditEntry.objects.get(object_id=str(provider.pk))
        assert (entry.action, entry.before, entry.after) == (
            "change",
            {"base_url": self.FORM["base_url"]},
            {"base_url": new},
        )

    def model_form(self, model: LlmModel, **fields: object) -> dict[str, object]:
        names = ("alias", "model_id", "context_window", "max_output_tokens", "position")
        return {**{name: getattr(model, name) for name in names}, "provider": model.provider_id, **fields}

    def test_they_do_not_move_a_model_to_another_provider(self, staff, provider):
        """Conversations with it would be sent there, under that provider's key."""
        model = make_model()
        other = Provider.objects.create(name="elsewhere", kind="openai", base_url="https://elsewhere")
        form = self.model_form(model, provider=other.pk, position=7)
        body = staff.get(page(LlmModel, "change", model.pk)).content.decode()
        assert 'name="position"' in body
        assert 'name="provider"' not in body
        assert staff.post(page(LlmModel, "change", model.pk), form).status_code == 302
        after = LlmModel.objects.get(pk=model.pk)
        assert (after.position, after.provider_id) == (7, model.provider_id)

    def test_they_do_not_swap_what_two_models_are(self, staff, provider):
        model = make_model()
        form = self.model_form(model, alias="another", model_id="another-1", position=7)
        assert staff.post(page(LlmModel, "change", model.pk), form).status_code == 302
        after = LlmModel.objects.get(pk=model.pk)
        assert (after.position, after.alias, after.model_id) == (7, model.alias, model.model_id)

    def test_that_they_disable_or_move_up_a_model_is_in_the_audit_log(self, staff, provider):
        model = make_model(json_schema=False, temperature=False, prompt_caching=False, position=3)
        form = self.model_form(model, position=0)
        assert staff.post(page(LlmModel, "change", model.pk), form).status_code == 302
        entry = AuditEntry.objects.get(object_id=str(model.pk))
        assert (entry.before, entry.after) == (
            {"position": 3, "enabled": True},
            {"position": 0, "enabled": False},
        )

    def test_nor_by_the_list_of_models(self, staff, provider):
        model = make_model()
        other = Provider.objects.create(name="elsewhere", kind="openai", base_url="https://elsewhere")
        rows = {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 1, "form-0-id": model.pk, "_save": "Save"}
        staff.post(page(LlmModel, "changelist"), {**rows, "form-0-provider": other.pk})
        staff.post(
            page(LlmModel, "change", model.pk), self.model_form(model, provider=other.pk, _saveasnew=1)
        )
        assert set(LlmModel.objects.filter(alias="lab-1").values_list("provider", flat=True)) == {
            model.provider_id
        }

    def test_that_a_superuser_moves_a_model_is_in_the_audit_log(self, provider):
        model = make_model()
        other = Provider.objects.create(name="elsewhere", kind="openai", base_url="https://elsewhere")
        form = self.model_form(
            model, provider=other.pk, json_schema="on", temperature="on", prompt_caching="on", enabled="on"
        )
        assert superuser().post(page(LlmModel, "change", model.pk), form).status_code == 302
        entry = AuditEntry.objects.get(object_id=str(model.pk))
        assert (entry.action, entry.before, entry.after) == (
            "change",
            {"provider_id": str(model.provider_id)},
            {"provider_id": str(other.pk)},
        )

    def test_an_older_row_with_another_variable_can_still_be_renamed(self, staff, provider):
        Provider.objects.update(key_env="DATABASE_URL")
        staff.post(page(Provider, "change", provider.pk), {**self.FORM, "name": "laboratory"})
        assert Provider.objects.get(pk=provider.pk).name == "laboratory"


@pytest.mark.parametrize(("key", "icon"), [("key", "icon-yes"), ("", "icon-no")])
def test_the_key_is_searched_for_and_never_shown(key, icon, monkeypatch):
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
