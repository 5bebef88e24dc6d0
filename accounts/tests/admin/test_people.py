from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.db import transaction

from accounts.models import ApiToken, Invitation, Team, User
from accounts.services.people import token_create, user_suspend
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser
from web.errors import ValidationFailed

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"


def staff(*permissions):
    user = User.objects.create_user("carol@example.org", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def change_form(user, **changes):
    """Form data of a user's change page."""
    fields = {"email": user.email, "name": user.name, "team": user.team_id or "", "is_active": "on"}
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


def test_add_a_person_by_email_alone():
    team = Team.objects.create(name="Research")
    form = {"email": "Ada@Example.org", "name": "Ada", "team": team.pk}
    response = superuser().post(page(User, "add"), {**form, "password1": PASSWORD, "password2": PASSWORD})
    ada = User.objects.get(email="ada@example.org")
    assert response.status_code == 302
    assert ada.check_password(PASSWORD)
    assert ada.team == team
    assert not ada.is_staff


def test_an_address_is_taken_however_it_is_typed():
    User.objects.create_user("ada@example.org")
    form = {"email": "ADA@example.org", "password1": PASSWORD, "password2": PASSWORD}
    response = superuser().post(page(User, "add"), form)
    assert response.status_code == 200
    assert "An account with this email address exists." in response.content.decode()


def test_the_password_is_changed_and_never_shown():
    ada = User.objects.create_user("ada@example.org", "something older")
    client = superuser()
    response = client.get(page(User, "change", ada.pk))
    assert ada.password.split("$")[-1] not in response.content.decode()
    url = page(User, "change", ada.pk).replace("change/", "password/")
    client.post(url, {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"})
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


def test_a_password_is_replaced_and_not_disabled():
    """Without a password nobody could sign in, not even the only superuser to undo it."""
    client = superuser()
    root = User.objects.get(is_superuser=True)
    root.set_password(PASSWORD)
    root.save()
    client.force_login(root)
    url = page(User, "change", root.pk).replace("change/", "password/")
    assert 'name="usable_password"' not in client.get(url).content.decode()
    for form in ({"usable_password": "false"}, {"set-password-unusable": "1", "usable_password": "false"}):
        response = client.post(url, {"password1": "", "password2": "", **form})
        assert "This field is required." in response.content.decode()
    root.refresh_from_db()
    assert root.has_usable_password()


def test_suspend_and_reactivate():
    ada = User.objects.create_user("ada@example.org", name="Ada")
    client = superuser()
    client.post(page(User, "change", ada.pk), change_form(ada, is_active=None))
    ada.refresh_from_db()
    assert not ada.is_active
    client.post(page(User, "change", ada.pk), change_form(ada))
    ada.refresh_from_db()
    assert ada.is_active


def test_a_session_from_before_a_suspension_has_ended_for_good():
    ada = User.objects.create_user("ada@example.org", name="Ada")
    browser, client = signed_in(ada), superuser()
    assert browser.get("/account").status_code == 200
    client.post(page(User, "change", ada.pk), change_form(ada, is_active=None))
    client.post(page(User, "changelist"), {"action": "reactivate", "_selected_action": ada.pk})
    assert browser.get("/account").status_code == 302
    ada.refresh_from_db()
    browser = signed_in(ada)
    client.post(page(User, "changelist"), {"action": "suspend", "_selected_action": ada.pk})
    client.post(page(User, "changelist"), {"action": "reactivate", "_selected_action": ada.pk})
    assert browser.get("/account").status_code == 302
    ada.refresh_from_db()
    assert signed_in(ada).get("/account").status_code == 200


@pytest.mark.parametrize("cleared", ["is_active", "is_staff", "is_superuser"])
def test_the_last_administrator_stays(cleared):
    client = superuser()
    root = User.objects.get(is_superuser=True)
    form = change_form(root, is_staff="on", is_superuser="on") | {cleared: ""}
    assert (
        "This is the last administrator." in client.post(page(User, "change", root.pk), form).content.decode()
    )
    ada = User.objects.create_user("ada@example.org", is_staff=True, is_superuser=True)
    assert client.post(page(User, "change", root.pk), form).status_code == 302
    with pytest.raises(ValidationFailed, match="last administrator"), transaction.atomic():
        user_suspend(user=ada, actor_id=root.pk)


def test_a_team_that_is_no_id_is_refused():
    client = superuser()
    for form in (page(User, "add"), page(Invitation, "add")):
        response = client.post(form, {"email": "ada@example.org", "team": "no id"})
        assert response.status_code == 200
        assert "is not a valid UUID" in response.content.decode()


def test_nobody_is_deleted():
    ada = User.objects.create_user("ada@example.org")
    client = superuser()
    assert client.post(page(User, "delete", ada.pk), {"post": "yes"}).status_code == 403
    client.post(
        page(User, "changelist"), {"action": "delete_selected", "_selected_action": ada.pk, "post": "yes"}
    )
    assert User.objects.filter(pk=ada.pk).exists()


def test_staff_change_people_but_raise_nobody():
    ada = User.objects.create_user("ada@example.org")
    client = signed_in(staff("change_user", "view_user"))
    response = client.post(
        page(User, "change", ada.pk), change_form(ada, name="Ada L.", is_superuser="on", is_staff="on")
    )
    ada.refresh_from_db()
    assert response.status_code == 302
    assert ada.name == "Ada L."
    assert not ada.is_superuser
    assert not ada.is_staff


def test_staff_do_not_take_over_an_administrator():
    root = User.objects.create_superuser("root@example.org", "something older")
    client = signed_in(staff("change_user", "view_user"))
    assert client.post(page(User, "change", root.pk), change_form(root, name="x")).status_code == 403
    url = page(User, "change", root.pk).replace("change/", "password/")
    assert client.post(url, {"password1": PASSWORD, "password2": PASSWORD}).status_code == 403
    root.refresh_from_db()
    assert root.check_password("something older")


def test_staff_do_not_get_around_the_budget_of_their_team():
    carol = staff("view_user", "change_user", "view_team", "delete_team")
    carol.team = Team.objects.create(name="Research")
    carol.save()
    rich = Team.objects.create(name="Sales")
    client = signed_in(carol)
    assert client.post(page(Team, "delete", carol.team.pk), {"post": "yes"}).status_code == 403
    client.post(page(User, "change", carol.pk), change_form(carol, team=rich.pk))
    carol.refresh_from_db()
    assert carol.team.name == "Research"


def test_a_team_counts_its_members_and_may_go():
    team = Team.objects.create(name="Research")
    ada = User.objects.create_user("ada@example.org", team=team)
    client = superuser()
    assert f"?team__id__exact={team.pk}" in client.get(page(Team, "changelist")).content.decode()
    client.post(page(Team, "delete", team.pk), {"post": "yes"})
    ada.refresh_from_db()
    assert ada.team is None


def test_a_token_is_shown_without_its_digest_and_revoked():
    token, secret = token_create(user=User.objects.create_user("ada@example.org"), name="script")
    client = superuser()
    for url in (
        page(ApiToken, "changelist"),
        page(ApiToken, "change", token.pk),
        page(ApiToken, "delete", token.pk),
    ):
        body = client.get(url).content.decode()
        assert token.digest not in body
        assert secret not in body
    assert client.get(page(ApiToken, "add")).status_code == 403
    assert client.post(page(ApiToken, "change", token.pk), {"name": "x"}).status_code == 403
    client.post(page(ApiToken, "delete", token.pk), {"post": "yes"})
    assert not ApiToken.objects.exists()


def test_tokens_are_revoked_together():
    ada = User.objects.create_user("ada@example.org")
    tokens = [token_create(user=ada, name=name)[0].pk for name in ("one", "two")]
    form = {"action": "delete_selected", "_selected_action": tokens, "post": "yes"}
    superuser().post(page(ApiToken, "changelist"), form)
    assert not ApiToken.objects.exists()
