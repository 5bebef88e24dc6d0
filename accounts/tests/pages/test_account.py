"""The account page: name, password, API tokens."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any
from unittest import mock

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import ApiToken, AuditEntry, User, secret_digest
from accounts.pages.form_tokens import VALID_FOR_S, new_form_token
from accounts.services.people import MAX_TOKENS, token_create
from accounts.tests.support.admin_site import signed_in, static_files_as_they_are
from accounts.tests.support.clients import PASSWORD, bearer, make_user
from accounts.tests.support.html import html_of

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
ACCOUNT = reverse("account")
NEW = "quite another passphrase"
PASSWORDS = {"old_password": PASSWORD, "password": NEW, "password_again": NEW}
TOKEN = {"token_name": "reports", "days": "30", "scopes": ["read", "chat"]}


def token_form(**changed: Any) -> dict[str, Any]:
    """Return the data of a newly opened form."""
    return {**TOKEN, "once": new_form_token(), **changed}


def text(response: Any) -> str:
    return html_of(response)


def test_it_shows_the_users_own(alice: User, bob: User) -> None:
    token_create(user=alice, name="laptop")
    token_create(user=bob, name="spaceship")
    page = text(signed_in(alice).get(ACCOUNT))
    assert alice.email in page
    assert "laptop" in page
    assert "never used" in page
    assert "spaceship" not in page


def test_a_name_is_changed(alice: User) -> None:
    client = signed_in(alice)
    response = client.post(reverse("account-name"), {"name": "  Alice A. "}, follow=True)
    assert "Your name was saved." in text(response)
    alice.refresh_from_db()
    assert alice.name == "Alice A."
    assert "Your name was saved." not in text(client.get(ACCOUNT)), "it is told once"


def test_a_name_that_is_too_long_is_refused(alice: User) -> None:
    page = text(signed_in(alice).post(reverse("account-name"), {"name": "x" * 121}))
    assert "at most 120 characters" in page
    alice.refresh_from_db()
    assert alice.name == "Alice"


def test_a_password_is_changed_and_other_browsers_are_signed_out(alice: User) -> None:
    here, elsewhere = signed_in(alice), signed_in(alice)
    program = Client(headers={"Authorization": bearer(alice)})
    response = here.post(reverse("account-password"), PASSWORDS, follow=True)
    assert "Your password was changed." in text(response)
    assert here.get(ACCOUNT).status_code == 200
    assert elsewhere.get(ACCOUNT).status_code == 302
    assert program.get("/api/v1/auth/me").status_code == 200
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_id, entry.object_id) == ("change password", alice.pk, str(alice.pk))
    assert (entry.before, entry.after) == ({}, {})


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"old_password": "wrong"}, "Current password is incorrect."),
        ({"password_again": "something else"}, "t match."),
        ({"password": "short", "password_again": "short"}, "too short"),
        ({"password": "password123", "password_again": "password123"}, "too common"),
        ({"password": "alice@example.com", "password_again": "alice@example.com"}, "too similar"),
        ({"old_password": ""}, "This field is required"),
    ],
)
def test_a_password_that_cannot_be_taken(alice: User, changed: dict[str, str], sentence: str) -> None:
    page = text(signed_in(alice).post(reverse("account-password"), {**PASSWORDS, **changed}))
    assert sentence in page
    assert NEW not in page
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_guessing_the_old_password_is_limited(alice: User, settings: Any) -> None:
    settings.PANTHEON_SIGN_IN_ATTEMPTS_PER_EMAIL = 2
    client = signed_in(alice)
    wrong = {**PASSWORDS, "old_password": "wrong"}
    for status in (200, 200, 429):
        assert client.post(reverse("account-password"), wrong).status_code == status
    assert client.post(reverse("account-password"), PASSWORDS).status_code == 429
    cache.clear()
    assert client.post(reverse("account-password"), PASSWORDS).status_code == 302


def test_a_token_is_made_and_shown_once(alice: User) -> None:
    client, before = signed_in(alice), timezone.now()
    response = client.post(reverse("account-tokens"), token_form())
    secret = response.context["secret"]
    assert text(response).count(secret) == 1
    assert "no-store" in response["Cache-Control"]
    token = ApiToken.objects.get()
    assert (token.user, token.name, token.scopes) == (alice, "reports", ["read", "chat"])
    assert token.digest == secret_digest(secret)
    assert token.expires_at is not None
    assert dt.timedelta(days=30) <= token.expires_at - before < dt.timedelta(days=30, minutes=1)
    assert secret not in text(client.get(ACCOUNT))
    assert Client(headers={"Authorization": f"Bearer {secret}"}).get("/api/v1/auth/me").status_code == 200


def test_a_form_that_is_sent_again_makes_no_second_token(alice: User, bob: User) -> None:
    client = signed_in(alice)
    form = {**TOKEN, "once": client.get(ACCOUNT).context["token_form"]["once"].value()}
    secret = client.post(reverse("account-tokens"), form).context["secret"]
    again = client.post(reverse("account-tokens"), form)
    assert (again.status_code, again["Location"]) == (302, ACCOUNT)
    page = text(client.get(ACCOUNT))
    assert "No token was created." in page
    assert secret not in page
    assert ApiToken.objects.count() == 1
    signed_in(bob).post(reverse("account-tokens"), form)
    assert ApiToken.objects.count() == 2, "what one has sent stands in nobody else's way"


def test_a_refused_form_is_sent_again(alice: User) -> None:
    client = signed_in(alice)
    refused = client.post(reverse("account-tokens"), token_form(token_name=" "))
    once = refused.context["token_form"]["once"].value()
    assert f'name="once" value="{once}"' in text(refused)
    assert client.post(reverse("account-tokens"), token_form(once=once)).context["secret"]


def test_the_number_of_tokens_has_a_bound(alice: User) -> None:
    """Rate limits count per token, so many tokens would circumvent them."""
    client = signed_in(alice)
    tokens = [token_create(user=alice, name=f"token {number}")[0] for number in range(MAX_TOKENS)]
    refused = client.post(reverse("account-tokens"), token_form())
    assert refused.status_code == 422
    assert f"An account has at most {MAX_TOKENS} API tokens." in text(refused)
    ApiToken.objects.filter(pk=tokens[0].pk).update(expires_at=timezone.now())
    once = refused.context["token_form"]["once"].value()
    assert client.post(reverse("account-tokens"), token_form(once=once)).context["secret"]
    assert client.post(reverse("account-tokens"), token_form()).status_code == 422
    assert signed_in(make_user("dora")).post(reverse("account-tokens"), token_form()).status_code == 200


def test_deleted_tokens_make_no_room_for_ever_new_ones(alice: User) -> None:
    """The limits of a new token are unused, so replacing tokens would circumvent them."""
    client = signed_in(alice)
    for _ in range(MAX_TOKENS):
        made = client.post(reverse("account-tokens"), token_form()).context["made"]
        assert client.post(reverse("account-token-delete", args=[made.pk])).status_code == 302
    refused = client.post(reverse("account-tokens"), token_form())
    assert refused.status_code == 429
    assert 0 < int(refused["Retry-After"]) <= 3600
    assert "Too many new API tokens." in text(refused)
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("once", ["", "forged", "0" * 32 + ":1:x"])
def test_a_form_of_nobodys_makes_no_token(alice: User, once: str) -> None:
    assert signed_in(alice).post(reverse("account-tokens"), token_form(once=once)).status_code == 302
    assert not ApiToken.objects.exists()


def test_a_form_of_yesterday_makes_no_token(alice: User) -> None:
    with mock.patch("django.core.signing.time.time", return_value=time.time() - VALID_FOR_S - 1):
        form = token_form()
    signed_in(alice).post(reverse("account-tokens"), form)
    assert not ApiToken.objects.exists()


def test_a_token_may_never_expire(alice: User) -> None:
    signed_in(alice).post(reverse("account-tokens"), token_form(days="never"))
    assert ApiToken.objects.get().expires_at is None


@pytest.mark.parametrize(
    "changed", [{"token_name": " "}, {"scopes": []}, {"scopes": ["admin"]}, {"days": "9999"}, {"days": ""}]
)
def test_a_token_that_cannot_be_made(alice: User, changed: dict[str, Any]) -> None:
    response = signed_in(alice).post(reverse("account-tokens"), token_form(**changed))
    assert response.status_code == 200
    assert "field-refused" in text(response)
    assert not ApiToken.objects.exists()


def test_staff_may_give_a_token_the_scope_admin(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    signed_in(alice).post(reverse("account-tokens"), token_form(scopes=["admin"]))
    assert ApiToken.objects.get().scopes == ["admin"]


def test_a_token_cannot_make_tokens(alice: User) -> None:
    program = Client(headers={"Authorization": bearer(alice)})
    response = program.post(reverse("account-tokens"), TOKEN)
    assert response["Location"].startswith(reverse("sign-in"))
    assert ApiToken.objects.count() == 1


def test_a_token_is_deleted_by_its_owner_alone(alice: User, bob: User) -> None:
    token, secret = token_create(user=alice, name="laptop")
    path = reverse("account-token-delete", args=[token.pk])
    assert signed_in(bob).post(path).status_code == 404
    assert "“laptop” deleted" in text(signed_in(alice).post(path, follow=True))
    assert Client(headers={"Authorization": f"Bearer {secret}"}).get("/api/v1/auth/me").status_code == 401


@pytest.mark.parametrize("form", ["account-name", "account-password", "account-tokens"])
def test_the_address_of_a_form_leads_to_the_page_that_has_it(alice: User, client: Client, form: str) -> None:
    assert signed_in(alice).get(reverse(form))["Location"] == ACCOUNT
    assert client.get(reverse(form))["Location"].startswith(reverse("sign-in"))
