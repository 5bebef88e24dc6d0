"""GET POST admin/invitations, GET PATCH DELETE admin/invitations/{id}."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.models import AuditEntry, Invitation, Team, User
from accounts.tests.support.admin_site import static_files_as_they_are
from accounts.tests.support.clients import bearer, client_of, invalid, make_user, refused

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
URL = "/api/v1/admin/invitations"
KEYS = {
    *("id", "email", "team", "state", "created_by", "created_at", "expires_at", "mailed_at", "accepted_at"),
    "revoked_at",
}
ALL = [f"{verb}_invitation" for verb in ("view", "add", "change", "delete")]


def staff(name: str, *codenames: str) -> User:
    user = make_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


@pytest.fixture
def carol() -> User:
    return staff("carol", *ALL)


@pytest.fixture
def client(carol: User) -> Client:
    return client_of(carol)


def send(client: Client, method: str, url: str, body: Any = None) -> Any:
    return client.generic(
        method, url, b"" if body is None else json_of(body), content_type="application/json"
    )


def json_of(body: Any) -> bytes:
    return json.dumps(body).encode()


def invite(client: Client, **fields: Any) -> dict[str, Any]:
    response = send(client, "POST", URL, {"email": "dora@example.org", **fields})
    assert response.status_code == 201, response.content
    body: dict[str, Any] = response.json()
    return body


def url_of(body: dict[str, Any]) -> str:
    return f"{URL}/{body['id']}"


def test_makes_one_and_shows_its_link_once(client: Client, carol: User, settings: Any) -> None:
    settings.PANTHEON_URL = "https://council.example.org"
    team = Team.objects.create(name="Legal")
    body = invite(client, email="Dora@Example.org", team=str(team.pk))
    assert body.keys() == {*KEYS, "url"}
    assert body["url"].startswith("https://council.example.org/invite/")
    assert (body["email"], body["state"]) == ("dora@example.org", "open")
    assert body["team"] == {"id": str(team.pk), "name": "Legal"}
    assert body["created_by"] == carol.email
    for response in (client.get(URL), client.get(url_of(body))):
        assert "url" not in response.json()
        assert body["url"].rpartition("/")[2] not in response.content.decode()
    assert client.get(url_of(body)).json().keys() == KEYS
    [entry] = AuditEntry.objects.all()
    assert (entry.action, entry.actor_id, entry.object_id) == ("add", carol.pk, body["id"])


def test_the_link_makes_the_account(client: Client, settings: Any) -> None:
    url = invite(client)["url"]
    assert url.startswith("http://testserver/invite/")
    fields = {
        "name": "Dora",
        "password": "a fine long passphrase",
        "password_again": "a fine long passphrase",
    }
    assert Client().post(url.removeprefix("http://testserver"), fields).status_code == 302
    assert User.objects.filter(email="dora@example.org").exists()
    assert client.get(URL).json()["results"][0]["state"] == "accepted"


def test_lists_newest_first_in_pages(client: Client) -> None:
    for number in range(3):
        invite(client, email=f"p{number}@example.org")
    first = client.get(f"{URL}?limit=2").json()
    assert [row["email"] for row in first["results"]] == ["p2@example.org", "p1@example.org"]
    second = client.get(first["next"]).json()
    assert [row["email"] for row in second["results"]] == ["p0@example.org"]


def test_a_list_asks_the_same_however_many(client: Client, django_assert_max_num_queries: Any) -> None:
    for number in range(5):
        invite(client, email=f"p{number}@example.org", team=str(Team.objects.create(name=str(number)).pk))
    client.get(URL)
    with django_assert_max_num_queries(4):
        client.get(URL)


def test_changes_team_and_time(client: Client, carol: User) -> None:
    body, team = invite(client), Team.objects.create(name="Legal")
    until = timezone.now() + dt.timedelta(days=30)
    changed = send(client, "PATCH", url_of(body), {"team": str(team.pk), "expires_at": until.isoformat()})
    assert changed.status_code == 200
    assert changed.json()["team"]["name"] == "Legal"
    assert parse_datetime(changed.json()["expires_at"]) == until
    assert send(client, "PATCH", url_of(body), {"team": None}).json()["team"] is None
    entries = AuditEntry.objects.filter(action="change").order_by("at")
    assert [set(entry.after) for entry in entries] == [{"team_id", "expires_at"}, {"team_id"}]


def test_an_address_is_not_changed(client: Client) -> None:
    body = invite(client)
    assert send(client, "PATCH", url_of(body), {"email": "eve@example.org"}).json()["email"] == body["email"]


def test_revokes(client: Client, carol: User) -> None:
    body = invite(client)
    for _ in range(2):
        response = send(client, "DELETE", url_of(body))
        assert (response.status_code, response.content) == (204, b"")
    assert client.get(url_of(body)).json()["state"] == "revoked"
    assert Client().get(body["url"].removeprefix("http://testserver")).status_code == 404
    assert AuditEntry.objects.filter(action="revoke", actor_id=carol.pk).count() == 1
    invalid(send(client, "PATCH", url_of(body), {"team": None}), "non_field_errors")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "email"),
        ({"email": "no address"}, "email"),
        ({"email": None}, "email"),
        ({"email": "alice@example.com"}, "email"),
        ({"email": "d@example.org", "team": "no-id"}, "team"),
        ({"email": "d@example.org", "team": str(uuid.UUID(int=7))}, "team"),
        ({"email": "d@example.org", "expires_at": "soon"}, "expires_at"),
        ({"email": "d@example.org", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"email": "d@example.org", "expires_at": "9999-12-31T23:59:59Z"}, "expires_at"),
    ],
)
def test_what_cannot_be_taken(client: Client, alice: User, body: dict[str, Any], field: str) -> None:
    invalid(send(client, "POST", URL, body), field)
    assert not Invitation.objects.exists()


REQUESTS = [("GET", ""), ("POST", ""), ("GET", "/{id}"), ("PATCH", "/{id}"), ("DELETE", "/{id}")]


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_signed_out_is_401(client: Client, method: str, path: str) -> None:
    url = URL + path.format(id=invite(client)["id"])
    refused(send(Client(), method, url, {"email": "x@example.org"}), 401, "not_authenticated")


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_each_method_needs_its_permission(client: Client, alice: User, method: str, path: str) -> None:
    url = URL + path.format(id=invite(client)["id"])
    verb = {"GET": "view", "POST": "add", "PATCH": "change", "DELETE": "delete"}[method]
    others = [name for name in ALL if not name.startswith(verb)]
    for asker in (alice, staff("dora", *others)):
        error = send(client_of(asker), method, url, {"email": "x@example.org"})
        refused(error, 403, "permission_denied")
    assert Invitation.objects.get().state == "open"
    only = client_of(staff("emil", f"{verb}_invitation"))
    assert send(only, method, url, {"email": "x@example.org"}).status_code in (200, 201, 204)


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_a_token_needs_the_scope(client: Client, carol: User, method: str, path: str) -> None:
    url = URL + path.format(id=invite(client)["id"])
    narrow = Client(headers={"Authorization": bearer(carol, "read", "chat", "manage")})
    refused(send(narrow, method, url, {"email": "x@example.org"}), 403, "permission_denied")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("invitation_id", ["00000000-0000-4000-8000-000000000000", "no-id"])
def test_unknown_ones_are_404(client: Client, method: str, invitation_id: str) -> None:
    refused(send(client, method, f"{URL}/{invitation_id}", {}), 404, "not_found")
