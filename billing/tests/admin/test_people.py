"""The list of users: team, role, spend of the month, last seen and state, in a fixed number of statements."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from accounts.models import ApiToken, Invitation, Team, User, secret_digest
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser
from billing.tests.factories import make_model
from billing.tests.support.daily import bill

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db

LIST = page(User, "changelist")


def make_users(count: int, start: int = 0) -> list[User]:
    """Return users with a team, a role, a token and a billed call each."""
    model = make_model(f"model-{start}")
    users = []
    for number in range(start, start + count):
        team = Team.objects.create(name=f"Team {number}")
        user = User.objects.create_user(f"user-{number}@example.org", name=f"User {number}", team=team)
        user.groups.add(Group.objects.get(name="Member"))
        ApiToken.objects.create(user=user, name="script", digest=secret_digest(user.email), hint="pn_abc")
        bill(model, user, timezone.now(), team=team)
        users.append(user)
    return users


def cells(client: Any, user: User, query: str = "") -> dict[str, str]:
    """Return the values of a row of the list, by column."""
    changelist = client.get(LIST + query).context["cl"]
    [row] = [each for each in changelist.result_list if each.pk == user.pk]
    admin = changelist.model_admin
    return {name: str(getattr(admin, name)(row)) for name in ("person", "role", "spend", "seen", "state")}


def test_a_row_has_what_one_asks_for() -> None:
    [user] = make_users(1)
    row = cells(superuser(), user)
    assert "User 0" in row["person"]
    assert user.email in row["person"]
    assert row["role"] == "Member"
    assert ">$0.0006<" in row["spend"]
    assert "Active" in row["state"]


def test_only_the_calls_of_this_month_are_spent_this_month() -> None:
    user = User.objects.create_user("ada@example.org")
    bill(make_model(), user, timezone.now() - dt.timedelta(days=40))
    assert ">$0.00<" in cells(superuser(), user)["spend"]


def test_the_day_of_the_newest_sign_is_when_somebody_was_seen() -> None:
    [user] = make_users(1)
    client = superuser()
    assert cells(client, user)["seen"] == str(timezone.now().date())
    moment = timezone.now() + dt.timedelta(days=1)
    ApiToken.objects.filter(user=user).update(last_used_at=moment)
    assert cells(client, user)["seen"] == str(moment.date())
    later = moment + dt.timedelta(days=1)
    User.objects.filter(pk=user.pk).update(last_login=later)
    assert cells(client, user)["seen"] == str(later.date())
    never = User.objects.create_user("grace@example.org")
    assert cells(client, never)["seen"] == "None"


@pytest.mark.parametrize("column", [1, 4, 5, 6])
def test_the_list_is_sorted_by_its_columns(column: int) -> None:
    users = make_users(3)
    client = superuser()
    for sign in ("", "-"):
        response = client.get(f"{LIST}?o={sign}{column}")
        assert {*users} <= {*response.context["cl"].result_list}


def test_filters_of_state_and_access() -> None:
    active, suspended, staff = make_users(3)
    User.objects.filter(pk=active.pk).update(last_login=timezone.now())
    User.objects.filter(pk=suspended.pk).update(is_active=False)
    User.objects.filter(pk=staff.pk).update(is_staff=True)
    client = superuser()
    root = User.objects.get(is_superuser=True)

    def listed(query: str) -> set[User]:
        return set(client.get(f"{LIST}?{query}").context["cl"].result_list)

    assert listed("state=suspended") == {suspended}
    assert listed("state=active") == {active, staff, root}
    assert listed("state=new") == {staff}
    assert listed("access=superuser") == {root}
    assert listed("access=staff") == {staff, root}
    assert listed("access=none") == {active, suspended}


def test_who_is_invited_stands_below() -> None:
    client = superuser()
    now = timezone.now()
    for number, expires in enumerate((now + dt.timedelta(days=1), now - dt.timedelta(days=1))):
        Invitation.objects.create(
            email=f"new-{number}@example.org", digest=secret_digest(str(number)), expires_at=expires
        )
    body = client.get(LIST).content.decode()
    assert "new-0@example.org" in body
    assert "new-1@example.org" not in body
    assert "new-0@example.org" not in client.get(f"{LIST}?q=zzz").content.decode()


def test_staff_see_only_what_their_permissions_allow() -> None:
    [user] = make_users(1)
    Invitation.objects.create(
        email="new@example.org", digest="x", expires_at=timezone.now() + dt.timedelta(days=1)
    )
    staff = User.objects.create_user("carol@example.org", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_user"))
    response = signed_in(User.objects.get(pk=staff.pk)).get(LIST)
    assert "spend" not in response.context["cl"].list_display
    assert "new@example.org" not in response.content.decode()
    assert user.email in response.content.decode()


def test_nobody_filters_by_what_a_column_computes() -> None:
    """`?spent_pico__gt=n` would reveal the amount to staff who may not see costs, digit by digit."""
    make_users(1)
    staff = User.objects.create_user("carol@example.org", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_user"))
    for client in (signed_in(User.objects.get(pk=staff.pk)), superuser()):
        for lookup in ("spent_pico__gt", "spent_pico", "last_usage_on__gt", "token_used_at__isnull"):
            response = client.get(f"{LIST}?{lookup}=1")
            assert (response.status_code, "user-0@example.org" in response.content.decode()) in (
                (400, False),
                (302, False),
            ), lookup


def test_the_list_takes_as_many_statements_for_many_users(django_assert_num_queries: Any) -> None:
    client = superuser()
    make_users(1)
    client.get(LIST)
    with django_assert_num_queries(9) as few:
        client.get(LIST)
    make_users(12, start=1)
    with django_assert_num_queries(len(few)):
        client.get(LIST)
