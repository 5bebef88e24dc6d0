"""Staff cannot change accounts with more rights than their own, take accounts over, or grant rights."""

from __future__ import annotations

import email
import email.policy
import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from accounts.models import ApiToken, AuditEntry, User
from accounts.services.people import token_create
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser
from accounts.tests.support.clients import BASE, PASSWORD, client_of, make_user, refused
from accounts.tests.support.mail_server import mail_server

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
NEW = "quite another passphrase"
OF_PEOPLE = ("view_user", "add_user", "change_user", "delete_user", "view_apitoken", "delete_apitoken")


def permissions(*codenames: str) -> Any:
    return Permission.objects.filter(codename__in=codenames)


@pytest.fixture
def carol() -> User:
    """Staff with all permissions on users, and no others."""
    carol = make_user("carol", is_staff=True)
    carol.user_permissions.set(permissions(*OF_PEOPLE))
    return carol


def superior(name: str) -> User:
    """Return an account that Carol may not change."""
    if name == "root":
        return User.objects.create_superuser("root@example.com", PASSWORD)
    person = make_user("bob", is_staff=name != "member with a permission")
    if name == "staff with a group":
        group = Group.objects.create(name="auditors")
        group.permissions.set(permissions("view_usageevent"))
        person.groups.add(group)
    elif name != "staff":
        person.user_permissions.set(permissions("view_usageevent"))
    if name == "suspended staff":
        User.objects.filter(pk=person.pk).update(is_active=False)
    return person


SUPERIORS = [
    *("root", "staff", "staff with a permission", "staff with a group", "suspended staff"),
    "member with a permission",
]


def form_of(user: User, **changes: str | None) -> dict[str, str]:
    """Return form data of a user's change page; None omits a field."""
    fields = {"email": user.email, "name": user.name, "team": "", "is_active": "on", **changes}
    return {name: value for name, value in fields.items() if value is not None}


def password_page(user: User) -> str:
    return reverse("admin:auth_user_password_change", args=[user.pk])


def link_page(user: User) -> str:
    return reverse("admin:accounts_user_password_link", args=[user.pk])


def state(user: User) -> dict[str, Any]:
    """Return all values of an account."""
    values = User.objects.filter(pk=user.pk).values().get()
    tokens = list(ApiToken.objects.filter(user=user).values_list("pk", flat=True))
    rights = [str(each) for each in (*user.groups.all(), *user.user_permissions.all())]
    return {**values, "tokens": tokens, "rights": rights}


@pytest.mark.parametrize("name", SUPERIORS)
def test_nothing_can_be_done_to_an_account_with_more_rights(name: str, carol: User) -> None:
    person = superior(name)
    token, _ = token_create(user=person, name="script")
    before, browser, api = state(person), signed_in(carol), client_of(carol)
    assert browser.post(page(User, "change", person.pk), form_of(person, name="x")).status_code == 403
    assert browser.post(page(User, "change", person.pk), form_of(person, is_active=None)).status_code == 403
    new = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    assert browser.get(password_page(person)).status_code == 403
    assert browser.post(password_page(person), new).status_code == 403
    response = browser.post(link_page(person))
    assert response.status_code == 403
    assert "/reset-password/" not in response.content.decode()
    for action in ("suspend", "reactivate", "delete_selected"):
        form = {"action": action, "_selected_action": person.pk, "post": "yes"}
        browser.post(page(User, "changelist"), form)
    for action in ("suspend", "reactivate"):
        refused(api.post(f"/api/v1/admin/users/{person.pk}/{action}"), 403, "permission_denied")
    assert browser.post(page(User, "delete", person.pk), {"post": "yes"}).status_code == 403
    assert browser.post(page(ApiToken, "delete", token.pk), {"post": "yes"}).status_code == 403
    form = {"action": "delete_selected", "_selected_action": token.pk, "post": "yes"}
    browser.post(page(ApiToken, "changelist"), form)
    assert state(person) == before
    assert not AuditEntry.objects.exists()


def test_an_account_with_a_part_of_ones_own_rights_is_within_reach(carol: User, alice: User) -> None:
    alice.user_permissions.set(permissions("view_user"))
    signed_in(carol).post(page(User, "change", alice.pk), form_of(alice, name="Alice L."))
    alice.refresh_from_db()
    assert alice.name == "Alice L."


def test_staff_rename_suspend_and_reactivate_members(carol: User, alice: User) -> None:
    browser, address = signed_in(carol), page(User, "change", alice.pk)
    assert browser.post(address, form_of(alice, name="Ada", is_active=None)).status_code == 302
    alice.refresh_from_db()
    assert (alice.name, alice.is_active) == ("Ada", False)
    form = {"action": "reactivate", "_selected_action": alice.pk}
    browser.post(page(User, "changelist"), form)
    alice.refresh_from_db()
    assert alice.is_active


def test_staff_take_no_member_over(carol: User, alice: User) -> None:
    """With her password, a reset link or the address for reset links, they could read her messages."""
    before, browser = state(alice), signed_in(carol)
    rights = {"is_staff": "on", "is_superuser": "on", "user_permissions": str(permissions("view_user")[0].pk)}
    form = form_of(alice, email="carol@example.com", password="x", **rights)
    assert browser.post(page(User, "change", alice.pk), form).status_code == 302
    new = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    assert browser.post(password_page(alice), new).status_code == 403
    response = browser.post(link_page(alice))
    assert response.status_code == 403
    assert "/reset-password/" not in response.content.decode()
    assert state(alice) == before


def test_staff_make_no_account_whose_password_they_know(carol: User) -> None:
    form = {"email": "dora@example.com", "name": "", "team": "", "password1": NEW, "password2": NEW}
    assert signed_in(carol).post(page(User, "add"), form).status_code == 403
    assert not User.objects.filter(email="dora@example.com").exists()


def test_a_password_is_not_shown_as_a_hash_either(carol: User, alice: User) -> None:
    shown = signed_in(carol).get(page(User, "change", alice.pk)).content.decode()
    assert "argon2" not in shown
    assert password_page(alice) not in shown
    assert link_page(alice) not in shown  # without mail a link would reach nobody


@pytest.mark.usefixtures("mails")
class TestMail:
    def mailed(self, mails: Any, callbacks: Any, do: Any) -> tuple[Any, list[tuple[list[str], str]]]:
        """Return the result of `do`, and the mails it sends: recipients and text."""
        with mail_server() as server:
            mails.EMAIL_PORT = server.port
            with callbacks(execute=True):
                response = do()
        parse = email.message_from_string
        return response, [
            (to, parse(said, policy=email.policy.default).get_content()) for to, said in server.messages
        ]

    def test_a_link_of_staff_goes_to_the_person_alone(
        self, carol: User, alice: User, mails: Any, django_capture_on_commit_callbacks: Any, client: Client
    ) -> None:
        browser = signed_in(carol)
        assert link_page(alice) in browser.get(page(User, "change", alice.pk)).content.decode()
        spoofing = lambda: browser.post(link_page(alice), headers={"Host": "localhost:6666"})  # noqa: E731
        response, [(to, said)] = self.mailed(mails, django_capture_on_commit_callbacks, spoofing)
        assert response.status_code == 200
        assert "/reset-password/" not in response.content.decode()
        assert to == [alice.email]
        assert "carol" in said.lower()
        link = re.search(rf"{BASE}(/reset-password/\S+)", said)
        assert link is not None
        assert client.get(link[1]).status_code == 200
        entry = AuditEntry.objects.get(action="password link")
        assert (entry.actor_id, entry.object_id) == (carol.pk, str(alice.pk))

    def test_an_administrators_link_is_shown_and_the_user_is_mailed(
        self, alice: User, mails: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        browser = superuser()
        response, [(to, _)] = self.mailed(
            mails, django_capture_on_commit_callbacks, lambda: browser.post(link_page(alice))
        )
        assert f"{BASE}/reset-password/" in response.content.decode()
        assert to == [alice.email]

    def test_a_user_is_mailed_that_an_administrator_changed_password_or_address(
        self, alice: User, mails: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        browser = superuser()
        new = {"password1": NEW, "password2": NEW, "usable_password": "true"}
        _, [(to, said)] = self.mailed(
            mails, django_capture_on_commit_callbacks, lambda: browser.post(password_page(alice), new)
        )
        assert to == ["alice@example.com"]
        assert "the password of your Pantheon account" in said
        form = form_of(alice, email="ada@example.com")
        _, [(to, said)] = self.mailed(
            mails,
            django_capture_on_commit_callbacks,
            lambda: browser.post(page(User, "change", alice.pk), form),
        )
        assert to == ["alice@example.com"]
        assert "the email address of your Pantheon account" in said


class TestGroups:
    @pytest.fixture
    def group(self) -> Group:
        return Group.objects.create(name="helpers")

    def test_staff_change_no_group(self, carol: User, group: Group) -> None:
        carol.user_permissions.add(*permissions("view_group", "add_group", "change_group", "delete_group"))
        carol.groups.add(group)
        browser = signed_in(carol)
        all_of_them = [str(pk) for pk in Permission.objects.values_list("pk", flat=True)]
        assert browser.get(page(Group, "change", group.pk)).status_code == 200
        form = {"name": "helpers", "permissions": all_of_them}
        assert browser.post(page(Group, "change", group.pk), form).status_code == 403
        assert browser.post(page(Group, "add"), {**form, "name": "others"}).status_code == 403
        assert browser.post(page(Group, "delete", group.pk), {"post": "yes"}).status_code == 403
        form = {"action": "delete_selected", "_selected_action": str(group.pk), "post": "yes"}
        browser.post(page(Group, "changelist"), form)
        assert Group.objects.filter(name="helpers").exists()
        assert not Group.objects.filter(name="others").exists()
        assert not group.permissions.exists()
        assert not AuditEntry.objects.exists()

    def test_each_change_of_an_administrator_is_in_the_audit_log(self, group: Group) -> None:
        browser, permission = superuser(), permissions("view_usageevent")[0]
        browser.post(page(Group, "add"), {"name": "auditors"})
        form = {"name": "helpers", "permissions": [permission.pk]}
        browser.post(page(Group, "change", group.pk), form)
        browser.post(page(Group, "delete", group.pk), {"post": "yes"})
        entries = AuditEntry.objects.filter(object_type="auth.Group").order_by("at")
        assert [entry.action for entry in entries] == ["add", "change", "delete"]
        assert entries[1].before == {"permissions": []}
        assert entries[1].after == {"permissions": [str(permission)]}

    def test_rights_that_an_administrator_gives_are_in_it_too(self, alice: User, group: Group) -> None:
        form = {**form_of(alice), "is_staff": "on", "groups": [group.pk]}
        superuser().post(page(User, "change", alice.pk), form)
        entry = AuditEntry.objects.get(object_id=str(alice.pk))
        assert entry.after == {"is_staff": True, "groups": ["helpers"]}


def test_the_old_password_is_tried_in_one_place(carol: User) -> None:
    """The administration's own password form, which has no limit, redirects to the account page."""
    browser = signed_in(carol)
    right = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    for name in ("password_change", "password_change_done"):
        for response in (
            browser.get(reverse(f"admin:{name}")),
            browser.post(reverse(f"admin:{name}"), right),
        ):
            assert (response.status_code, response["Location"]) == (302, reverse("account"))
    carol.refresh_from_db()
    assert carol.check_password(PASSWORD)
