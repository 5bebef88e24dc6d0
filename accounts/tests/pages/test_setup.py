"""The one-time link that creates the first administrator."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts.models import User
from accounts.services.people import setup_link_issue
from accounts.tests.support.admin_site import static_files_as_they_are

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
PASSWORD = "a fine long passphrase"
FIELDS = {"name": "Ada", "email": "Ada@Example.com", "password": PASSWORD, "password_again": PASSWORD}


@pytest.fixture
def url():
    return reverse("setup", args=[setup_link_issue()])


def test_the_link_makes_the_administrator_and_signs_in(client, url):
    assert client.get(url).status_code == 200
    response = client.post(url, FIELDS)
    assert response["Location"] == reverse("welcome")
    user = User.objects.get()
    assert (user.email, user.name, user.is_superuser) == ("ada@example.com", "Ada", True)
    assert client.session["_auth_user_id"] == str(user.pk)


def test_the_link_works_once(client, url):
    client.post(url, FIELDS)
    for response in (client.get(url), client.post(url, {**FIELDS, "email": "eve@example.com"})):
        assert response.status_code == 404
        assert "has been used or replaced" in response.content.decode()
    assert User.objects.count() == 1


def test_an_unknown_link_is_not_found(client, db):
    assert client.get(reverse("setup", args=["guess"])).status_code == 404
    assert client.post(reverse("setup", args=["guess"]), FIELDS).status_code == 404
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"email": "no address"}, "Enter a valid email address"),
        ({"email": ""}, "This field is required"),
        ({"password_again": "another one 42"}, "t match."),
        ({"password": "short", "password_again": "short"}, "too short"),
        ({"password": "password1234", "password_again": "password1234"}, "too common"),
        ({"name": "x" * 121}, "at most 120 characters"),
    ],
)
def test_invalid_input_is_reported_at_its_field(client, url, changed, sentence):
    page = client.post(url, {**FIELDS, **changed}).content.decode()
    assert sentence in page
    assert "field-refused" in page
    assert f'value="{changed.get("email", FIELDS["email"])}"' in page or changed.get("email") == ""
    assert not User.objects.exists()
    assert client.post(url, FIELDS).status_code == 302  # the link was not used up
