"""Password reset links, from staff or by mail: they work once and do not reveal who has an account."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import re
import threading
import time
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, User
from accounts.services.passwords import (
    LINKS_PER_HOUR,
    VALID_FOR,
    password_change,
    password_link,
    password_reset,
)
from accounts.services.people import user_reactivate, user_suspend
from accounts.tests.support.admin_site import signed_in, static_files_as_they_are
from accounts.tests.support.at_once import at_once
from accounts.tests.support.clients import BASE, PASSWORD
from accounts.tests.support.mail_server import mail_server
from web.errors import NotFound, ValidationFailed

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
NEW = "quite another passphrase"
PASSWORDS = {"password": NEW, "password_again": NEW}
FORGOT = reverse("forgot-password")


def link_for(user: User) -> str:
    """Return the path of a link created by an administrator."""
    with transaction.atomic():
        return password_link(user=user, actor=User(is_superuser=True), base_url=BASE).removeprefix(BASE)


def text(response: Any) -> str:
    return str(response.content.decode())


def test_a_link_makes_a_new_password_once(client: Client, alice: User) -> None:
    elsewhere = signed_in(alice)
    link = link_for(alice)
    page = client.get(link)
    assert alice.email in text(page)
    assert "no-store" in page["Cache-Control"]
    response = client.post(link, PASSWORDS, follow=True)
    assert "Sign in with it." in text(response)
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert elsewhere.get("/account").status_code == 302, "who was signed in is signed out"
    assert client.get(link).status_code == client.post(link, PASSWORDS).status_code == 404
    assert AuditEntry.objects.filter(action="reset password", object_id=str(alice.pk)).count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_wins(alice: User) -> None:
    *_, user_id, secret = link_for(alice).split("/")

    def reset(password: str) -> str:
        try:
            password_reset(user_id=user_id, secret=secret, password=password)
        except NotFound:
            return ""
        return password

    first, second = at_once(lambda: reset(NEW), lambda: reset("a third long passphrase"))
    alice.refresh_from_db()
    assert sorted([bool(first), bool(second)]) == [False, True]
    assert alice.check_password(str(first or second))


def test_a_link_that_does_not_work(client: Client, alice: User, bob: User, monkeypatch: Any) -> None:
    link = link_for(alice)
    guessed = f"/reset-password/{alice.pk}/guess"
    anothers = link.replace(str(alice.pk), str(bob.pk))
    for path in (guessed, anothers, "/reset-password/1/2"):
        assert client.get(path).status_code == client.post(path, PASSWORDS).status_code == 404
    later = timezone.make_naive(timezone.now() + VALID_FOR + dt.timedelta(minutes=1))  # as Django counts
    monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda self: later)
    assert client.get(link).status_code == 404
    monkeypatch.undo()
    assert client.get(link).status_code == 200
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert client.get(link).status_code == 404


def test_a_link_from_before_a_suspension_does_not_work_after_a_reactivation(
    client: Client, alice: User
) -> None:
    link = link_for(alice)
    assert client.get(link).status_code == 200
    for write in (user_suspend, user_reactivate):
        with transaction.atomic():
            write(user=alice, actor_id=None)
    assert client.get(link).status_code == client.post(link, PASSWORDS).status_code == 404
    alice.refresh_from_db()
    assert client.get(link_for(alice)).status_code == 200


def test_a_change_does_not_undo_a_reset(alice: User) -> None:
    checked = User.objects.get()
    User.objects.update(password=make_password("set by a reset"))
    with pytest.raises(ValidationFailed, match="Some fields"):
        password_change(user=checked, password="correct horse battery")
    assert User.objects.get().check_password("set by a reset")


@pytest.mark.parametrize("password", ["short", "password123", "alice@example.com"])
def test_a_weak_password_is_refused(client: Client, alice: User, password: str) -> None:
    link = link_for(alice)
    response = client.post(link, {"password": password, "password_again": password})
    assert "field-refused" in text(response)
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


class TestByStaff:
    def path(self, user: User) -> str:
        return reverse("admin:accounts_user_password_link", args=[user.pk])

    def test_the_link_is_shown_to_an_administrator_once_and_audited(
        self, client: Client, alice: User
    ) -> None:
        root = User.objects.create_superuser("root@example.com")
        browser = signed_in(root)
        assert "Password reset link" in text(
            browser.get(reverse("admin:accounts_user_change", args=[alice.pk]))
        )
        response = browser.post(self.path(alice))
        assert "no-store" in response["Cache-Control"]
        link = re.search(r'href="http://testserver(/reset-password/[^"]+)"', text(response))
        assert link is not None
        assert client.get(link[1]).status_code == 200
        entry = AuditEntry.objects.get(action="password link")
        assert (entry.actor_id, entry.object_id) == (root.pk, str(alice.pk))
        secret = link[1].rpartition("/")[2]
        assert secret not in str(AuditEntry.objects.values())
        assert browser.get(self.path(alice)).status_code == 405

    def test_a_suspended_account_has_none(self, alice: User) -> None:
        User.objects.filter(pk=alice.pk).update(is_active=False)
        response = signed_in(User.objects.create_superuser("root@example.com")).post(self.path(alice))
        assert response.status_code == 403
        assert "/reset-password/" not in text(response)


@pytest.mark.usefixtures("mails")
class TestByMail:
    def ask(self, client: Client, address: str, *, caller: str = "192.0.2.1") -> Any:
        """Request a link, and wait until the mail is sent."""
        response = client.post(FORGOT, {"email": address}, REMOTE_ADDR=caller)
        for thread in threading.enumerate():
            if thread.name == "password-mail":
                thread.join(10)
        return response

    def test_the_mail_has_a_link_that_works(self, alice: User, mails: Any) -> None:
        client = Client(headers={"Host": "localhost:6666"})  # links must not use the request's host
        with mail_server() as server:
            mails.EMAIL_PORT = server.port
            self.ask(client, "ALICE@example.com ")
        [(recipients, said)] = server.messages
        assert recipients == [alice.email]
        message = email.message_from_string(said, policy=email.policy.default)
        link = re.search(rf"{BASE}(/reset-password/\S+)", message.get_content())
        assert link is not None
        assert client.post(link[1], PASSWORDS).status_code == 302
        alice.refresh_from_db()
        assert alice.check_password(NEW)

    def test_without_an_address_of_our_own_nothing_is_mailed(
        self, client: Client, alice: User, mails: Any
    ) -> None:
        mails.PANTHEON_URL = ""
        with mail_server() as server:
            mails.EMAIL_PORT = server.port
            assert "Ask an administrator" in text(self.ask(client, alice.email))
        assert server.messages == []

    def test_nobody_learns_who_has_an_account(self, client: Client, alice: User, mails: Any) -> None:
        User.objects.create_user("gone@example.com", PASSWORD, is_active=False)
        with mail_server() as server:
            mails.EMAIL_PORT = server.port
            pages = {
                address: text(self.ask(client, address)).replace(address, "…")
                for address in (alice.email, "nobody@example.com", "gone@example.com")
            }
        assert len(set(pages.values())) == 1
        assert len(server.messages) == 1

    def test_a_server_that_refuses_is_logged(
        self, client: Client, alice: User, mails: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        with mail_server(refuses=True) as server:
            mails.EMAIL_PORT = server.port
            assert self.ask(client, alice.email).status_code == 200
        assert f"for {alice.pk} could not be mailed" in caplog.text
        assert "/reset-password/" not in caplog.text

    def test_too_many_requests_are_refused(self, client: Client, mails: Any) -> None:
        mails.PANTHEON_SIGN_IN_ATTEMPTS_PER_ADDRESS = 2
        tried = [self.ask(client, f"{name}@example.com").status_code for name in ("a", "b", "c")]
        assert tried == [200, 200, 429]
        assert self.ask(client, "c@example.com", caller="192.0.2.2").status_code == 200

    def test_an_address_is_mailed_a_few_and_nobody_learns_of_it(
        self, client: Client, alice: User, mails: Any
    ) -> None:
        mails.PANTHEON_SIGN_IN_ATTEMPTS_PER_EMAIL = 2
        with mail_server() as server:
            mails.EMAIL_PORT = server.port
            pages = [
                self.ask(client, address, caller=f"192.0.2.{number}")
                for address in (alice.email, "nobody@example.com")
                for number in range(LINKS_PER_HOUR + 3)
            ]
        said = {text(page).replace(alice.email, "…").replace("nobody@example.com", "…") for page in pages}
        assert {page.status_code for page in pages} == {200}
        assert len(said) == 1
        assert len(server.messages) == LINKS_PER_HOUR

    def test_what_the_owner_was_mailed_before_still_works(
        self, client: Client, alice: User, mails: Any
    ) -> None:
        with mail_server() as server:
            mails.EMAIL_PORT = server.port
            for _ in range(LINKS_PER_HOUR + 1):
                self.ask(client, alice.email)
            first = email.message_from_string(server.messages[0][1], policy=email.policy.default)
            link = re.search(rf"{BASE}(/reset-password/\S+)", first.get_content())
            assert link is not None
            assert client.post(link[1], PASSWORDS).status_code == 302
            # The earlier links are invalid now, so another one can be requested.
            self.ask(Client(), alice.email)
        assert len(server.messages) == LINKS_PER_HOUR + 1

    def test_a_browser_that_the_account_knows_is_mailed_its_own(
        self, client: Client, alice: User, mails: Any
    ) -> None:
        assert (
            client.post(reverse("sign-in"), {"username": alice.email, "password": PASSWORD}).status_code
            == 302
        )
        mails.PANTHEON_SIGN_IN_ATTEMPTS_PER_ADDRESS = LINKS_PER_HOUR
        with mail_server() as server:
            mails.EMAIL_PORT = server.port
            tried = [self.ask(Client(), alice.email).status_code for _ in range(LINKS_PER_HOUR + 1)]
            assert tried == [200] * LINKS_PER_HOUR + [429]
            for _ in range(LINKS_PER_HOUR + 1):
                assert self.ask(client, alice.email).status_code == 200
        assert len(server.messages) == 2 * LINKS_PER_HOUR

    def test_a_mail_that_was_refused_is_not_counted(self, client: Client, alice: User, mails: Any) -> None:
        with mail_server(refuses=True) as server:
            mails.EMAIL_PORT = server.port
            for _ in range(LINKS_PER_HOUR + 1):
                self.ask(client, alice.email)
        with mail_server() as server:
            mails.EMAIL_PORT = server.port
            self.ask(client, alice.email)
        assert len(server.messages) == 1

    def test_an_hour_later_there_are_more(
        self, client: Client, alice: User, mails: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [time.time()]
        monkeypatch.setattr("accounts.services.passwords.time.time", lambda: now[0])
        with mail_server() as server:
            mails.EMAIL_PORT = server.port
            for _ in range(LINKS_PER_HOUR + 1):
                self.ask(client, alice.email)
            now[0] += 3601
            self.ask(client, alice.email)
        assert len(server.messages) == LINKS_PER_HOUR + 1


def test_without_mail_the_page_says_whom_to_ask(client: Client, alice: User, settings: Any) -> None:
    settings.EMAIL_URL = ""
    assert "Ask an administrator" in text(client.get(FORGOT))
    assert "Ask an administrator" in text(client.post(FORGOT, {"email": alice.email}))
