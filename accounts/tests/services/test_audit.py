"""The audit log records each write of the administration once, with the changes and without secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission

from accounts.models import ApiToken, AuditEntry, Team, User
from accounts.services.people import token_create
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"


@pytest.fixture
def client():
    return superuser()


@pytest.fixture
def ada():
    return User.objects.create_user("ada@example.org", "something older", name="Ada")


def entry() -> AuditEntry:
    [found] = AuditEntry.objects.all()
    assert found.actor_id == User.objects.get(email="root@example.org").pk
    return found


def change_form(user, **changes):
    fields = {"email": user.email, "name": user.name, "team": user.team_id or "", "is_active": "on"}
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


def test_a_new_team(client):
    client.post(page(Team, "add"), {"name": "Research"})
    found = entry()
    assert (found.action, found.object_type, found.object_label) == ("add", "accounts.Team", "Research")
    assert found.object_id == str(Team.objects.get().pk)
    assert (found.before, found.after["name"]) == ({}, "Research")


def test_a_change_keeps_what_differs_alone(client, ada):
    group = Group.objects.create(name="auditors")
    client.post(page(User, "change", ada.pk), change_form(ada, name="Ada L.", groups=[group.pk]))
    found = entry()
    assert (found.action, found.object_id) == ("change", str(ada.pk))
    assert found.before == {"name": "Ada", "groups": []}
    assert found.after == {"name": "Ada L.", "groups": ["auditors"]}


def test_a_change_of_nothing_is_none(client, ada):
    client.post(page(User, "change", ada.pk), change_form(ada))
    assert not AuditEntry.objects.exists()


def test_a_refused_form_and_a_look_are_none(client, ada):
    client.get(page(User, "change", ada.pk))
    client.post(page(User, "change", ada.pk), change_form(ada, email="no address"))
    client.get(page(User, "changelist"))
    assert not AuditEntry.objects.exists()


def test_a_password_changed_and_nobody_can_tell_to_what(client, ada):
    old = ada.password
    url = page(User, "change", ada.pk).replace("change/", "password/")
    client.post(url, {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"})
    found = entry()
    assert (found.before, found.after) == ({"password": "(changed)"}, {"password": "(changed)"})
    ada.refresh_from_db()
    assert ada.password != old


def test_a_new_person_without_the_digest_of_the_password(client):
    form = {"email": "bob@example.org", "name": "Bob", "password1": PASSWORD, "password2": PASSWORD}
    client.post(page(User, "add"), form)
    found = entry()
    assert found.after["email"] == "bob@example.org"
    assert "password" not in found.after


def test_tokens_deleted_one_by_one_and_together(client, ada):
    tokens = [token_create(user=ada, name=name)[0] for name in ("one", "two", "three")]
    client.post(page(ApiToken, "delete", tokens[0].pk), {"post": "yes"})
    chosen = [token.pk for token in tokens[1:]]
    form = {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}
    client.post(page(ApiToken, "changelist"), form)
    assert not ApiToken.objects.exists()
    entries = list(AuditEntry.objects.all())
    assert {found.object_id for found in entries} == {str(token.pk) for token in tokens}
    assert {found.action for found in entries} == {"delete"}
    written = json.dumps([[found.before, found.after, found.object_label] for found in entries])
    for token in tokens:
        assert token.digest not in written


def test_suspend_and_reactivate(client, ada):
    form = {"_selected_action": [ada.pk]}
    client.post(page(User, "changelist"), {**form, "action": "suspend"})
    ada.refresh_from_db()
    assert not ada.is_active
    assert entry().action == "suspend"
    client.post(page(User, "changelist"), {**form, "action": "suspend"})  # once is enough
    client.post(page(User, "changelist"), {**form, "action": "reactivate"})
    ada.refresh_from_db()
    assert ada.is_active
    assert [found.action for found in AuditEntry.objects.order_by("at")] == ["suspend", "reactivate"]
    last = AuditEntry.objects.get(action="reactivate")
    assert (last.before, last.after) == ({"is_active": False}, {"is_active": True})


def test_nobody_suspends_themselves(client):
    root = User.objects.get()
    response = client.post(
        page(User, "changelist"), {"action": "suspend", "_selected_action": [root.pk]}, follow=True
    )
    root.refresh_from_db()
    assert root.is_active
    assert "was not changed" in response.content.decode()


@pytest.mark.parametrize(
    ("permissions", "suspended"), [(("view_user",), False), (("view_user", "change_user"), True)]
)
def test_staff_suspend_people_with_the_permission_and_no_administrator(ada, permissions, suspended):
    root = User.objects.create_superuser("root@example.org")
    carol = User.objects.create_user("carol@example.org", is_staff=True)
    carol.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    form = {"action": "suspend", "_selected_action": [ada.pk, root.pk]}
    signed_in(carol).post(page(User, "changelist"), form)
    ada.refresh_from_db()
    root.refresh_from_db()
    assert (ada.is_active, root.is_active) == (not suspended, True)


def test_an_entry_is_written_once(client):
    client.post(page(Team, "add"), {"name": "Research"})
    found = entry()
    writes: list[Any] = [
        found.save,
        found.delete,
        AuditEntry.objects.all().delete,
        lambda: AuditEntry.objects.update(action="x"),
        lambda: AuditEntry.objects.bulk_update([found], ["action"]),
    ]
    for write in writes:
        with pytest.raises(TypeError, match="never"):
            write()
    assert client.post(page(AuditEntry, "change", found.pk), {"action": "x"}).status_code == 403
    assert client.post(page(AuditEntry, "delete", found.pk), {"post": "yes"}).status_code == 403
    assert "root@example.org" in client.get(page(AuditEntry, "changelist")).content.decode()
