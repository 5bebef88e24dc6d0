"""Sign in and sign out."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.tests.support.admin_site import signed_in, static_files_as_they_are
from accounts.tests.support.clients import PASSWORD, browser_of

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
SIGN_IN = reverse("sign-in")


def sign_in(client: Client, email: str, password: str, **fields: str):
    return client.post(SIGN_IN, {"username": email, "password": password, **fields})


def test_the_page_asks_for_an_address_and_a_password(client, alice):
    response = client.get(SIGN_IN)
    assert response.status_code == 200
    assert "set-up link" not in response.content.decode()


def test_without_any_account_the_page_speaks_of_the_set_up_link(client):
    assert "setup link" in client.get(SIGN_IN).content.decode()


def test_an_address_signs_in_however_it_is_typed(client, alice):
    response = sign_in(client, "  Alice@Example.COM ", PASSWORD)
    assert response.status_code == 302
    assert response["Location"] == reverse("home")
    assert client.session["_auth_user_id"] == str(alice.pk)


def test_signing_in_returns_to_the_requested_page(client, alice):
    assert sign_in(client, alice.email, PASSWORD, next="/rooms/new")["Location"] == "/rooms/new"


def test_signing_in_leads_to_no_other_site(client, alice):
    assert sign_in(client, alice.email, PASSWORD, next="https://evil.example/")["Location"] == reverse("home")


@pytest.mark.parametrize(
    ("email", "password"),
    [("alice@example.com", "wrong"), ("nobody@example.com", PASSWORD), ("no address", PASSWORD), ("", "")],
)
def test_a_wrong_password_keeps_the_address(client, alice, email, password):
    response = sign_in(client, email, password)
    page = response.content.decode()
    assert response.status_code == 200
    assert "_auth_user_id" not in client.session
    assert f'value="{email}"' in page or not email
    assert password == "" or password not in page


def test_a_suspended_account_cannot_sign_in(client, alice):
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert sign_in(client, alice.email, PASSWORD).status_code == 200
    assert "_auth_user_id" not in client.session


def test_who_is_signed_in_need_not_sign_in(alice):
    assert signed_in(alice).get(SIGN_IN)["Location"] == reverse("home")


def test_signing_out_is_a_post(alice):
    client = signed_in(alice)
    assert client.get(reverse("sign-out")).status_code == 405
    assert client.post(reverse("sign-out"))["Location"] == SIGN_IN
    assert "_auth_user_id" not in client.session


def test_forms_of_other_sites_are_refused_with_a_page(alice):
    response = browser_of(alice).post(reverse("sign-out"))
    assert response.status_code == 403
    assert "This form has expired" in response.content.decode()
