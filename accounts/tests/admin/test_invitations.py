"""Invitations in the administration."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Invitation, Team, User
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
ADD = page(Invitation, "add")
LINK = re.compile(r'href="(http://testserver/invite/[^"]+)"')


def form(**fields: Any) -> dict[str, Any]:
    until = fields.pop("until", timezone.now() + dt.timedelta(days=5))
    moment = {"expires_at_0": f"{until:%Y-%m-%d}", "expires_at_1": f"{until:%H:%M:%S}"}
    return {"email": "Dora@Example.org", "team": "", **moment, **fields}


@pytest.fixture
def client() -> Client:
    return superuser()


def make(client: Client, **fields: Any) -> tuple[Invitation, str]:
    response = client.post(ADD, form(**fields))
    assert response.status_code == 200
    [link] = LINK.findall(response.content.decode())
    assert "no-store" in response["Cache-Control"]
    return Invitation.objects.unused().get(), link


def test_the_link_is_shown_once(client: Client) -> None:
    assert client.get(ADD).status_code == 200
    team = Team.objects.create(name="Legal")
    invitation, link = make(client, team=team.pk)
    assert (invitation.email, invitation.team) == ("dora@example.org", team)
    assert Client().get(link.removeprefix("http://testserver")).status_code == 200
    for url in (page(Invitation, "changelist"), page(Invitation, "change", invitation.pk)):
        shown = client.get(url).content.decode()
        assert link.rpartition("/")[2] not in shown
        assert invitation.digest not in shown
    root = User.objects.get(is_superuser=True)
    [entry] = AuditEntry.objects.all()
    assert (entry.action, entry.actor_id, entry.object_id) == ("add", root.pk, str(invitation.pk))


def test_a_second_one_replaces_the_first(client: Client) -> None:
    first, link = make(client)
    make(client)
    first.refresh_from_db()
    assert first.state == "revoked"
    assert Client().get(link.removeprefix("http://testserver")).status_code == 404


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"email": "root@example.org"}, "An account with this email address exists."),
        ({"email": "no address"}, "Enter a valid email address"),
        ({"until": dt.datetime(2001, 1, 1, tzinfo=dt.UTC)}, "Choose a time within the next 365 days."),
    ],
)
def test_invalid_input_is_reported(client: Client, fields: dict[str, Any], sentence: str) -> None:
    response = client.post(ADD, form(**fields))
    assert response.status_code == 200
    assert sentence in response.content.decode()
    assert not Invitation.objects.exists()


def test_closed_sign_up_is_explained(client: Client, settings: Any) -> None:
    settings.PANTHEON_SIGNUP = "closed"
    assert "Sign-up is closed" in client.post(ADD, form()).content.decode()


def test_change_and_revoke(client: Client) -> None:
    invitation, _ = make(client)
    team = Team.objects.create(name="Legal")
    changed = {**form(team=team.pk), "email": "eve@example.org"}
    assert client.post(page(Invitation, "change", invitation.pk), changed).status_code == 302
    invitation.refresh_from_db()
    assert (invitation.team, invitation.email) == (team, "dora@example.org")
    client.post(page(Invitation, "changelist"), {"action": "revoke", "_selected_action": invitation.pk})
    invitation.refresh_from_db()
    assert invitation.state == "revoked"
    assert list(AuditEntry.objects.order_by("at").values_list("action", flat=True)) == [
        "add",
        "change",
        "revoke",
    ]
    assert client.post(page(Invitation, "change", invitation.pk), changed).status_code == 403
    assert client.post(page(Invitation, "delete", invitation.pk), {"post": "yes"}).status_code == 403


def test_who_has_an_account_is_left_alone(client: Client) -> None:
    invitation, link = make(client)
    fields = {"name": "", "password": "a fine long passphrase", "password_again": "a fine long passphrase"}
    Client().post(link.removeprefix("http://testserver"), fields)
    client.post(page(Invitation, "changelist"), {"action": "revoke", "_selected_action": invitation.pk})
    invitation.refresh_from_db()
    assert invitation.state == "accepted"


def test_revoking_needs_its_permission(client: Client) -> None:
    invitation, _ = make(client)
    carol = User.objects.create_user("carol@example.org", is_staff=True)
    names = ("view_invitation", "change_invitation")
    carol.user_permissions.set(Permission.objects.filter(codename__in=names))
    form = {"action": "revoke", "_selected_action": invitation.pk}
    signed_in(carol).post(page(Invitation, "changelist"), form)
    invitation.refresh_from_db()
    assert invitation.state == "open"
