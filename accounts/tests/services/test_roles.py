"""The ready-made roles: created once, kept as administrators changed them, assigned on the page of a user."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from accounts.access import may_act_on
from accounts.models import AuditEntry, ReadyRole, User
from accounts.roles import ABILITIES, ROLES, abilities_text, name_of, names_of
from accounts.services.roles import roles_create
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser
from accounts.tests.support.clients import make_user

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db


def group_of(name: str) -> Group:
    return Group.objects.get(name=name)


def with_role(name: str) -> User:
    person = make_user(name.lower(), is_staff=name != "Member")
    person.groups.add(group_of(name))
    return User.objects.get(pk=person.pk)


def test_every_role_has_its_permissions_after_a_migration() -> None:
    assert {group.name: set(names_of(group)) for group in Group.objects.all()} == {
        role.name: set(role.permissions) for role in ROLES
    }


def test_every_permission_of_an_ability_exists() -> None:
    known = {name_of(each) for each in Permission.objects.select_related("content_type")}
    assert not frozenset().union(*(each.permissions for each in ABILITIES)) - known


def test_no_role_lets_anybody_change_groups() -> None:
    for role in ROLES:
        assert not {"auth.add_group", "auth.change_group", "auth.delete_group"} & role.permissions


def test_a_migration_leaves_what_an_administrator_changed() -> None:
    billing, member, admin = group_of("Billing"), group_of("Member"), group_of("Admin")
    billing.permissions.remove(Permission.objects.get(codename="delete_budget"))
    Group.objects.filter(pk=member.pk).update(name="Colleagues")
    admin.delete()
    before = {group.name: names_of(group) for group in Group.objects.all()}
    call_command("migrate", verbosity=0)
    assert {group.name: names_of(group) for group in Group.objects.all()} == before


def test_an_unchanged_group_follows_its_role() -> None:
    billing = group_of("Billing")
    lacking = Permission.objects.get(codename="view_usageevent")
    billing.permissions.remove(lacking)
    ReadyRole.objects.filter(name="Billing").update(granted=names_of(billing))
    roles_create()
    assert lacking in billing.permissions.all()


def test_a_group_with_the_name_of_a_role_is_left_alone() -> None:
    ReadyRole.objects.all().delete()
    own = Permission.objects.get(codename="view_turn")
    group_of("Owner").permissions.set([own])
    roles_create()
    assert list(group_of("Owner").permissions.all()) == [own]


def test_a_role_is_read_in_words() -> None:
    assert abilities_text([]).startswith("May use rooms and agents.")
    assert abilities_text(names_of(group_of("Billing"))) == (
        "May see costs, calls and the ledger audit; set budgets; set prices; see users and teams; "
        "see providers and models."
    )
    assert abilities_text(["accounts.view_user", "accounts.view_team", "auth.change_group"]) == (
        "May see users and teams; use 1 other permission."
    )
    assert abilities_text(["auth.change_group", "auth.add_group"]) == "May use 2 permissions."


def form_of(user: User, **changes: Any) -> dict[str, Any]:
    return {"email": user.email, "name": user.name, "team": "", "is_active": "on", **changes}


def test_the_page_of_a_user_says_what_each_role_allows() -> None:
    alice = make_user("alice")
    body = superuser().get(page(User, "change", alice.pk)).content.decode()
    for role in ROLES:
        assert f"{role.name}: {abilities_text(role.permissions)}" in body


def test_a_role_with_permissions_includes_the_administration() -> None:
    alice = make_user("alice")
    superuser().post(page(User, "change", alice.pk), form_of(alice, groups=[group_of("Billing").pk]))
    alice = User.objects.get(pk=alice.pk)
    assert alice.is_staff
    assert signed_in(alice).get("/admin/costs/").status_code == 200
    assert AuditEntry.objects.get(object_id=str(alice.pk)).after == {
        "is_staff": True,
        "groups": ["Billing"],
    }


def test_a_member_gets_no_access_by_the_role() -> None:
    alice = make_user("alice")
    superuser().post(page(User, "change", alice.pk), form_of(alice, groups=[group_of("Member").pk]))
    assert not User.objects.get(pk=alice.pk).is_staff


@pytest.mark.parametrize("name", ["Owner", "Admin", "Billing"])
def test_staff_with_a_role_give_no_roles(name: str) -> None:
    alice, staff = make_user("alice"), with_role(name)
    signed_in(staff).post(page(User, "change", alice.pk), form_of(alice, groups=[group_of("Owner").pk]))
    assert not alice.groups.exists()


def test_an_owner_acts_on_members_and_not_on_staff() -> None:
    owner = with_role("Owner")
    assert may_act_on(owner, with_role("Member"))
    assert not may_act_on(owner, with_role("Billing"))
    assert not may_act_on(with_role("Admin"), owner)


PATHS = {
    "users": "/admin/accounts/user/",
    "costs": "/admin/costs/",
    "budgets": "/admin/billing/budget/add/",
    "prices": "/admin/billing/modelprice/add/",
    "models": "/admin/orchestration/llmmodel/add/",
    "turns": "/admin/chat_sessions/turn/",
    "messages": "/admin/chat_sessions/message/",
    "audit": "/admin/accounts/auditentry/",
    "invitations": "/admin/accounts/invitation/add/",
}


@pytest.mark.parametrize(
    ("name", "closed"),
    [
        ("Owner", set()),
        ("Admin", {"budgets", "messages"}),
        ("Billing", {"models", "turns", "messages", "audit", "invitations"}),
        ("Member", set(PATHS)),
    ],
)
def test_what_each_role_opens(name: str, closed: set[str]) -> None:
    browser = signed_in(with_role(name))
    assert {label for label, path in PATHS.items() if browser.get(path).status_code != 200} == closed
