"""API tokens survive a password change: every page that sets one lists them and offers to delete them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import ApiToken, AuditEntry, User
from accounts.services.passwords import link_path
from accounts.services.people import token_create
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser
from accounts.tests.support.clients import PASSWORD

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
NEW = "quite another passphrase"
PASSWORDS = {"password": NEW, "password_again": NEW}
BOX = 'name="delete_tokens"'


def text(response: Any) -> str:
    return str(response.content.decode())


@pytest.fixture
def tokens(alice: User, bob: User) -> list[ApiToken]:
    """Return two valid tokens of Alice's; also create an expired one, and one of Bob's."""
    ApiToken.objects.filter(pk=token_create(user=alice, name="ancient")[0].pk).update(
        expires_at=timezone.now()
    )
    token_create(user=bob, name="spaceship")
    return [token_create(user=alice, name=name)[0] for name in ("laptop", "reports")]


class Door:
    """A page that sets a new password for Alice's account."""

    def __init__(self, name: str, alice: User) -> None:
        self.client = signed_in(alice) if name == "account" else Client()
        self.page = reverse("account") if name == "account" else link_path(alice)
        self.form = reverse("account-password") if name == "account" else self.page
        self.fields = {"old_password": PASSWORD, **PASSWORDS}

    def show(self) -> str:
        return text(self.client.get(self.page))

    def change(self, **fields: str) -> str:
        return text(self.client.post(self.form, {**self.fields, **fields}, follow=True))


@pytest.fixture(params=["account", "link"])
def door(request: Any, alice: User) -> Door:
    return Door(request.param, alice)


def test_tokens_stay_and_are_named(door: Door, alice: User, tokens: list[ApiToken]) -> None:
    shown = door.show()
    assert BOX in shown
    changed = door.change()
    for part in (shown.partition(BOX)[2], changed):
        assert all(str(token) in part for token in tokens)
        assert "spaceship" not in part
    assert "These API tokens stay valid: " in changed
    assert ApiToken.objects.filter(user=alice).usable().count() == 2


def test_tokens_are_deleted_too_if_asked_for(
    door: Door, alice: User, bob: User, tokens: list[ApiToken]
) -> None:
    assert "Your API tokens were deleted." in door.change(delete_tokens="on")
    assert list(ApiToken.objects.values_list("user", flat=True)) == [bob.pk]
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    deleted = AuditEntry.objects.filter(action="delete", object_type="accounts.ApiToken")
    assert {entry.object_label for entry in deleted} >= {str(token) for token in tokens}
    assert {entry.actor_id for entry in deleted} == {alice.pk}
    assert not any("digest" in entry.before for entry in deleted)


def test_a_refused_password_deletes_nothing(door: Door, alice: User, tokens: list[ApiToken]) -> None:
    refused = door.change(delete_tokens="on", password="short", password_again="short")
    assert "too short" in refused
    assert re.search(rf"{BOX}[^>]* checked", refused)
    assert ApiToken.objects.filter(user=alice).usable().count() == 2


def test_without_tokens_nothing_is_asked(door: Door) -> None:
    assert BOX not in door.show()
    assert "API tokens" not in door.change(delete_tokens="on").partition("Your password was changed.")[2][:60]


def test_an_administrator_sees_them_where_a_password_is_set(alice: User, tokens: list[ApiToken]) -> None:
    browser = superuser()
    form = page(User, "change", alice.pk).replace("change/", "password/")
    link = reverse("admin:accounts_user_password_link", args=[alice.pk])
    way = f'href="{page(ApiToken, "changelist")}?user__id__exact={alice.pk}"'
    for shown in (text(browser.get(form)), text(browser.post(link))):
        assert all(str(token) in shown for token in tokens)
        assert way in shown
        assert "spaceship" not in shown
        assert "ancient" not in shown


def test_a_password_that_an_administrator_sets_is_audited_and_the_mail_names_the_tokens(
    alice: User, tokens: list[ApiToken], settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    settings.EMAIL_URL, settings.PANTHEON_URL = "smtp://127.0.0.1:1", "http://localhost"
    form = page(User, "change", alice.pk).replace("change/", "password/")
    with django_capture_on_commit_callbacks(execute=True):
        superuser().post(form, {"password1": NEW, "password2": NEW, "usable_password": "true"})
    entry = AuditEntry.objects.get(object_id=str(alice.pk))
    assert (entry.action, entry.after) == ("change", {"password": "(changed)"})
    [sent] = mail.outbox
    assert sent.to == [alice.email]
    assert all(str(token) in sent.body for token in tokens)


def test_without_tokens_an_administrator_reads_of_none(alice: User) -> None:
    form = page(User, "change", alice.pk).replace("change/", "password/")
    assert "stay valid" not in text(superuser().get(form))
