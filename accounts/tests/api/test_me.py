"""GET auth/me, and authentication of requests."""

from __future__ import annotations

import base64

import pytest
from django.test import Client

from accounts.models import Team, User
from accounts.tests.support.clients import CSRF_TOKEN, bearer, browser_of, client_of, make_user, refused

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/me"


def test_a_program_learns_for_whom_it_speaks(api: Client, alice: User) -> None:
    response = api.get(URL)
    assert response.status_code == 200
    assert response.json() == {
        "id": str(alice.pk),
        "email": "alice@example.com",
        "name": "Alice",
        "team": None,
        "is_staff": False,
    }


def test_names_the_team_and_says_who_is_staff() -> None:
    team = Team.objects.create(name="Legal")
    carol = make_user("carol", team=team, is_staff=True)
    body = client_of(carol).get(URL).json()
    assert body["team"] == {"id": str(team.pk), "name": "Legal"}
    assert body["is_staff"] is True


def test_a_browser_is_known_by_its_cookie(browser: Client) -> None:
    assert browser.get(URL).json()["email"] == "alice@example.com"


def test_a_token_goes_before_the_cookie(browser: Client, bob: User) -> None:
    assert browser.get(URL, headers={"Authorization": bearer(bob)}).json()["email"] == "bob@example.com"


def test_a_bad_token_is_not_made_good_by_the_cookie(browser: Client) -> None:
    refused(browser.get(URL, headers={"Authorization": "Bearer pn_wrong"}), 401, "not_authenticated")


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer pn_unknown",
        "Bearer \xff\xfe",
        "Bearer pn_a pn_b",
        "Basic " + base64.b64encode(b"alice@example.com:correct horse battery").decode(),
        "Token pn_unknown",
    ],
)
def test_signed_out_is_401_with_a_challenge(alice: User, authorization: str) -> None:
    response = Client(headers={"Authorization": authorization}).get(URL)
    error = refused(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == 'Bearer realm="Pantheon"'
    assert error["retryable"] is False


def test_the_scheme_is_read_in_any_case(alice: User) -> None:
    secret = bearer(alice).removeprefix("Bearer ")
    assert Client(headers={"Authorization": f"bearer  {secret} "}).get(URL).status_code == 200


def test_the_suspended_get_the_reason_for_any_request(alice: User) -> None:
    client = client_of(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    for path in (URL, "/api/v1/auth/tokens", "/api/v1/auth/tokens/nonsense"):
        refused(client.get(path), 403, "account_suspended")


def test_a_suspended_browser_is_signed_out(alice: User) -> None:
    browser = browser_of(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    refused(browser.get(URL), 401, "not_authenticated")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options", "trace"])
def test_other_methods_are_405(api: Client, method: str) -> None:
    response = getattr(api, method)(URL)
    refused(response, 405, "method_not_allowed")
    assert response["Allow"] == "GET, HEAD"


def test_a_method_nobody_has_is_405(api: Client) -> None:
    for method in ("DISPATCH", "BREW", "CHECK_PERMISSIONS"):
        refused(api.generic(method, URL), 405, "method_not_allowed")


def test_405_comes_after_401_and_csrf(alice: User, browser: Client) -> None:
    refused(Client().post(URL), 401, "not_authenticated")
    refused(browser.post(URL), 403, "csrf_failed")
    refused(browser.post(URL, headers={"X-CSRFToken": CSRF_TOKEN}), 405, "method_not_allowed")


def test_reading_needs_the_scope_read(alice: User) -> None:
    error = refused(client_of(alice, "chat", "manage").get(URL), 403, "permission_denied")
    assert error["details"] == {"scope": "read"}
    assert client_of(alice, "read").get(URL).status_code == 200


@pytest.mark.parametrize("accept", ["text/event-stream", "text/html", "image/png", "*/*", "nonsense"])
def test_answers_json_whatever_is_accepted(api: Client, accept: str) -> None:
    for path in (URL, f"{URL}?format=html", f"{URL}?format=nonsense"):
        response = api.get(path, headers={"Accept": accept})
        assert response.status_code == 200
        assert response["Content-Type"] == "application/json"


def test_head_is_get_without_a_body(api: Client) -> None:
    response = api.head(URL)
    assert (response.status_code, response.content) == (200, b"")
