"""Invitations: link, page, mail, and concurrent acceptance."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
from typing import Any

import pytest
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, Invitation, Team, User, secret_digest
from accounts.services.invitations import (
    MAX_VALID_FOR,
    VALID_FOR,
    invitation_accept,
    invitation_change,
    invitation_create,
    invitation_revoke,
)
from accounts.tests.support.admin_site import static_files_as_they_are
from accounts.tests.support.at_once import at_once
from accounts.tests.support.clients import BASE
from accounts.tests.support.mail_server import mail_server
from web.errors import NotFound, ValidationFailed

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
PASSWORD = "a fine long passphrase"
FIELDS = {"name": "Dora", "password": PASSWORD, "password_again": PASSWORD}


def invite(actor: User, address: str = "Dora@Example.org ", **fields: Any) -> tuple[Invitation, str]:
    with transaction.atomic():
        return invitation_create(
            **{"email": address, "team": None, "actor": actor, "base_url": BASE, **fields}
        )


def path_of(url: str) -> str:
    return url.removeprefix(BASE)


def secret_of(url: str) -> str:
    return url.rpartition("/")[2]


def test_the_link_is_for_one_address_and_seven_days(alice: User) -> None:
    before = timezone.now()
    invitation, url = invite(alice)
    assert url.startswith(f"{BASE}/invite/")
    assert (invitation.email, invitation.state, invitation.created_by) == ("dora@example.org", "open", alice)
    assert before + VALID_FOR <= invitation.expires_at <= timezone.now() + VALID_FOR
    assert dt.timedelta(days=7) == VALID_FOR


def test_only_the_digest_is_stored(alice: User) -> None:
    invitation, url = invite(alice)
    stored = Invitation.objects.get()
    columns = [str(getattr(stored, field.attname)) for field in Invitation._meta.concrete_fields]
    assert not any(secret_of(url) in column for column in columns)
    assert stored.digest == secret_digest(secret_of(url))
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_id, entry.object_id) == ("add", alice.pk, str(invitation.pk))
    assert stored.digest not in str(entry.after)


def test_the_page_makes_the_account_and_signs_in(client: Client, alice: User) -> None:
    team = Team.objects.create(name="Legal")
    invitation, url = invite(alice, team=team)
    page = client.get(path_of(url))
    assert page.status_code == 200
    assert "dora@example.org" in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    response = client.post(path_of(url), {**FIELDS, "email": "eve@example.org", "is_staff": "on"})
    assert response["Location"] == reverse("home")
    dora = User.objects.get(email="dora@example.org")
    assert (dora.name, dora.team, dora.is_staff, dora.is_superuser) == ("Dora", team, False, False)
    assert dora.check_password(PASSWORD)
    assert client.session["_auth_user_id"] == str(dora.pk)
    invitation.refresh_from_db()
    assert (invitation.state, invitation.accepted_by) == ("accepted", dora)
    assert not User.objects.filter(email="eve@example.org").exists()
    entry = AuditEntry.objects.get(action="accept")
    assert (entry.actor_id, entry.object_id) == (dora.pk, str(invitation.pk))


def closed_links(actor: User) -> dict[str, str]:
    """Return state -> link, for links that no longer work."""
    used, revoked, replaced, expired = (
        invite(actor, f"{name}@example.org") for name in ("used", "revoked", "replaced", "expired")
    )
    invitation_accept(secret=secret_of(used[1]), name="", password=PASSWORD)
    with transaction.atomic():
        invitation_revoke(invitation=revoked[0], actor_id=actor.pk)
    invite(actor, "replaced@example.org")
    Invitation.objects.filter(pk=expired[0].pk).update(expires_at=timezone.now())
    return {
        "used": used[1],
        "revoked": revoked[1],
        "replaced": replaced[1],
        "expired": expired[1],
        "guessed": f"{BASE}/invite/guess",
    }


@pytest.mark.parametrize("how", ["used", "revoked", "replaced", "expired", "guessed"])
def test_a_link_that_is_closed_is_not_found(client: Client, alice: User, how: str) -> None:
    url = closed_links(alice)[how]
    count = User.objects.count()
    for response in (client.get(path_of(url)), client.post(path_of(url), FIELDS)):
        assert response.status_code == 404
        assert "Ask for a new one" in response.content.decode()
    assert User.objects.count() == count
    with pytest.raises(NotFound):
        invitation_accept(secret=secret_of(url), name="", password=PASSWORD)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"password_again": "another one 42"}, "t match."),
        ({"password": "short", "password_again": "short"}, "too short"),
        ({"password": "password1234", "password_again": "password1234"}, "too common"),
        ({"name": "x" * 121}, "at most 120 characters"),
    ],
)
def test_invalid_input_is_reported_and_uses_nothing_up(
    client: Client, alice: User, changed: dict[str, str], sentence: str
) -> None:
    url = path_of(invite(alice)[1])
    assert sentence in client.post(url, {**FIELDS, **changed}).content.decode()
    assert client.post(url, FIELDS).status_code == 302


def test_an_account_that_was_made_meanwhile(client: Client, alice: User) -> None:
    invitation, url = invite(alice)
    User.objects.create_user("dora@example.org")
    page = client.post(path_of(url), FIELDS)
    assert page.status_code == 200
    assert "An account with this email address exists." in page.content.decode()
    invitation.refresh_from_db()
    assert invitation.state == "open"


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"address": "alice@EXAMPLE.com"}, "email"),
        ({"address": "no address"}, "email"),
        ({"address": ""}, "email"),
        ({"expires_at": dt.timedelta(0)}, "expires_at"),
        ({"expires_at": MAX_VALID_FOR + dt.timedelta(minutes=1)}, "expires_at"),
    ],
)
def test_what_cannot_be_invited(alice: User, fields: dict[str, Any], refused: str) -> None:
    if "expires_at" in fields:
        fields = {"expires_at": timezone.now() + fields["expires_at"]}
    with pytest.raises(ValidationFailed) as refusal:
        invite(alice, **fields)
    assert set(refusal.value.details["fields"]) == {refused}
    assert not Invitation.objects.exists()


def test_a_new_link_takes_the_place_of_the_one_before(alice: User) -> None:
    first, _ = invite(alice)
    second, _ = invite(alice)
    first.refresh_from_db()
    assert (first.state, second.state) == ("revoked", "open")
    assert list(AuditEntry.objects.order_by("at").values_list("action", flat=True)) == [
        "add",
        "revoke",
        "add",
    ]
    with pytest.raises(IntegrityError), transaction.atomic():
        Invitation.objects.filter(pk=first.pk).update(revoked_at=None)


def test_longer_and_in_another_team(alice: User) -> None:
    invitation, url = invite(alice)
    Invitation.objects.update(expires_at=timezone.now())
    invitation.refresh_from_db()
    assert invitation.state == "expired"
    team, until = Team.objects.create(name="Legal"), timezone.now() + dt.timedelta(days=3)
    invitation_change(invitation=invitation, actor_id=alice.pk, team=team, expires_at=until)
    entry = AuditEntry.objects.get(action="change")
    assert set(entry.after) == {"team_id", "expires_at"}
    assert invitation_accept(secret=secret_of(url), name="", password=PASSWORD).team == team
    with pytest.raises(ValidationFailed):
        invitation_change(invitation=invitation, actor_id=alice.pk, team=None, expires_at=until)


def test_what_is_accepted_is_not_revoked(alice: User) -> None:
    invitation, url = invite(alice)
    invitation_accept(secret=secret_of(url), name="", password=PASSWORD)
    with pytest.raises(ValidationFailed):
        invitation_revoke(invitation=invitation, actor_id=alice.pk)
    invitation.refresh_from_db()
    assert invitation.state == "accepted"


def test_with_closed_sign_up_no_link_works(client: Client, alice: User, settings: Any) -> None:
    _, url = invite(alice)
    settings.PANTHEON_SIGNUP = "closed"
    assert client.get(path_of(url)).status_code == 404
    assert client.post(path_of(url), FIELDS).status_code == 404
    with pytest.raises(ValidationFailed):
        invite(alice, "other@example.org")


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_makes_the_account(alice: User) -> None:
    _, url = invite(alice)
    done = at_once(
        *[lambda: invitation_accept(secret=secret_of(url), name="", password=PASSWORD) for _ in range(2)]
    )
    assert sum(isinstance(one, User) for one in done) == 1
    [error] = [one for one in done if isinstance(one, Exception)]
    assert isinstance(error, NotFound | ValidationFailed)
    assert User.objects.filter(email="dora@example.org").count() == 1


class TestMail:
    def test_the_link_is_mailed_once_it_is_committed(
        self, alice: User, mails: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        with mail_server() as server:
            mails.EMAIL_PORT = server.port
            with django_capture_on_commit_callbacks() as callbacks:
                invitation, url = invite(alice)
            assert server.messages == []
            [send] = callbacks
            send()
            [(recipients, text)] = server.messages
        message = email.message_from_string(text, policy=email.policy.default)
        assert recipients == ["dora@example.org"]
        assert message["From"] == "council@example.org"
        assert url in message.get_content().split()
        assert "Alice invites you" in message.get_content()
        invitation.refresh_from_db()
        assert invitation.mailed_at is not None

    def test_a_server_that_refuses_is_logged(
        self, alice: User, mails: Any, django_capture_on_commit_callbacks: Any, caplog: Any
    ) -> None:
        with mail_server(refuses=True) as server:
            mails.EMAIL_PORT = server.port
            with django_capture_on_commit_callbacks(execute=True):
                invitation, url = invite(alice)
        assert f"the invitation {invitation.pk} could not be mailed" in caplog.text
        assert secret_of(url) not in caplog.text
        invitation.refresh_from_db()
        assert (invitation.mailed_at, invitation.state) == (None, "open")

    def test_without_a_server_nothing_is_mailed(
        self, alice: User, django_capture_on_commit_callbacks: Any
    ) -> None:
        with django_capture_on_commit_callbacks() as callbacks:
            invite(alice)
        assert callbacks == []


class TestSignUp:
    URL = reverse("sign-up")
    FORM = {**FIELDS, "email": "Dora@example.org"}

    @pytest.mark.parametrize("policy", ["invite", "closed"])
    def test_is_by_invitation_alone(self, client: Client, db: None, settings: Any, policy: str) -> None:
        settings.PANTHEON_SIGNUP = policy
        for response in (client.get(self.URL), client.post(self.URL, self.FORM)):
            assert response.status_code == 404
        assert not User.objects.exists()
        assert self.URL not in client.get(reverse("sign-in")).content.decode()

    def test_is_by_invitation_unless_set_otherwise(self, settings: Any) -> None:
        assert settings.PANTHEON_SIGNUP == "invite"

    def test_open_to_everybody(self, client: Client, db: None, settings: Any) -> None:
        settings.PANTHEON_SIGNUP = "open"
        assert self.URL in client.get(reverse("sign-in")).content.decode()
        assert client.get(self.URL).status_code == 200
        assert client.post(self.URL, self.FORM)["Location"] == reverse("home")
        dora = User.objects.get()
        assert (dora.email, dora.is_staff, dora.is_superuser) == ("dora@example.org", False, False)
        again = Client().post(self.URL, self.FORM)
        assert "An account with this email address exists." in again.content.decode()

    def test_nobody_tries_addresses_for_long(self, client: Client, db: None, settings: Any) -> None:
        settings.PANTHEON_SIGNUP, settings.PANTHEON_SIGN_IN_ATTEMPTS_PER_ADDRESS = "open", 2
        settings.PANTHEON_SIGN_IN_WINDOW_S = 1e9
        weak = {**self.FORM, "password": "password1234", "password_again": "password1234"}
        assert [client.post(self.URL, weak).status_code for _ in range(3)] == [200, 200, 429]
        cache.clear()
        assert client.post(self.URL, weak).status_code == 200
