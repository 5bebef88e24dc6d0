"""POST admin/users/{id}/suspend and /reactivate."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import AuditEntry, User
from accounts.tests.support.clients import bearer, browser_of, client_of, invalid, make_user, refused

pytestmark = pytest.mark.django_db
ACTIONS = ["suspend", "reactivate"]


def url(user_id: object, action: str) -> str:
    return f"/api/v1/admin/users/{user_id}/{action}"


def staff(*codenames: str, name: str = "carol") -> User:
    user = make_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


@pytest.fixture
def carol() -> User:
    return staff("change_user")


def test_suspends_and_reactivates(carol: User, alice: User, bob: User) -> None:
    client, theirs = client_of(carol), client_of(alice)
    response = client.post(url(alice.pk, "suspend"))
    assert response.status_code == 200
    assert response.json() == {
        "id": str(alice.pk),
        "email": "alice@example.com",
        "name": "Alice",
        "team": None,
        "is_staff": False,
        "is_active": False,
    }
    refused(theirs.get("/api/v1/auth/me"), 403, "account_suspended")
    assert User.objects.get(pk=bob.pk).is_active
    assert client.post(url(alice.pk, "reactivate")).json()["is_active"] is True
    assert theirs.get("/api/v1/auth/me").status_code == 200


def test_each_write_is_in_the_audit_log_once(carol: User, alice: User) -> None:
    client = client_of(carol)
    for action in ("suspend", "suspend", "reactivate", "reactivate"):
        assert client.post(url(alice.pk, action)).status_code == 200
    entries = AuditEntry.objects.order_by("at")
    assert [(entry.action, entry.actor_id, entry.object_id) for entry in entries] == [
        ("suspend", carol.pk, str(alice.pk)),
        ("reactivate", carol.pk, str(alice.pk)),
    ]


def test_a_browser_may_too(carol: User, alice: User) -> None:
    client = browser_of(carol)
    refused(client.post(url(alice.pk, "suspend")), 403, "csrf_failed")
    headers = {"X-CSRFToken": client.cookies["pantheon_csrf"].value}
    assert client.post(url(alice.pk, "suspend"), headers=headers).status_code == 200


def test_nobody_suspends_themselves(carol: User) -> None:
    invalid(client_of(carol).post(url(carol.pk, "suspend")), "id")
    assert User.objects.get(pk=carol.pk).is_active
    assert not AuditEntry.objects.exists()


def test_administrators_are_for_administrators(carol: User, alice: User) -> None:
    root = User.objects.create_superuser("root@example.org")
    refused(client_of(carol).post(url(root.pk, "suspend")), 403, "permission_denied")
    other = User.objects.create_superuser("other@example.org")
    assert client_of(other).post(url(root.pk, "suspend")).status_code == 200
    refused(client_of(carol).post(url(root.pk, "reactivate")), 403, "permission_denied")
    assert not User.objects.get(pk=root.pk).is_active


@pytest.mark.parametrize("action", ACTIONS)
def test_strangers_and_staff_without_the_permission_are_refused(alice: User, bob: User, action: str) -> None:
    for client in (client_of(bob), client_of(staff("view_user")), client_of(staff(name="dora"))):
        for user_id in (alice.pk, uuid.uuid4(), "no-id"):
            refused(client.post(url(user_id, action)), 403, "permission_denied")
    assert User.objects.get(pk=alice.pk).is_active


@pytest.mark.parametrize("action", ACTIONS)
def test_signed_out_is_401(alice: User, action: str) -> None:
    refused(Client().post(url(alice.pk, action)), 401, "not_authenticated")


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("user_id", ["00000000-0000-4000-8000-000000000000", "no-id", "1"])
def test_unknown_people_are_404(carol: User, action: str, user_id: str) -> None:
    refused(client_of(carol).post(url(user_id, action)), 404, "not_found")


@pytest.mark.parametrize("action", ACTIONS)
def test_a_token_needs_the_scope(carol: User, alice: User, action: str) -> None:
    client = Client(headers={"Authorization": bearer(carol, "read", "chat", "manage")})
    error = refused(client.post(url(alice.pk, action)), 403, "permission_denied")
    assert error["details"] == {"scope": "admin"}


def test_no_longer_staff_is_refused_with_an_old_token(carol: User, alice: User) -> None:
    client = client_of(carol)
    User.objects.filter(pk=carol.pk).update(is_staff=False)
    refused(client.post(url(alice.pk, "suspend")), 403, "permission_denied")


@pytest.mark.parametrize("action", ACTIONS)
def test_only_post(carol: User, alice: User, action: str) -> None:
    refused(client_of(carol).get(url(alice.pk, action)), 405, "method_not_allowed")
