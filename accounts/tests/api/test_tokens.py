"""GET auth/tokens and DELETE auth/tokens/{id}."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.models import ApiToken, User
from accounts.services.people import token_create
from accounts.tests.support.clients import CSRF_TOKEN, bearer, client_of, refused

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/tokens"


def url_of(token: ApiToken) -> str:
    return f"{URL}/{token.pk}"


def test_lists_the_users_own_newest_first(api: Client, alice: User, bob: User) -> None:
    expires_at = timezone.now() + dt.timedelta(days=30)
    laptop, secret = token_create(user=alice, name="laptop", scopes=["read", "chat"], expires_at=expires_at)
    token_create(user=bob, name="of Bob")
    body = api.get(URL).json()
    assert (body["next"], body["previous"]) == (None, None)
    assert [token["name"] for token in body["results"]] == ["laptop", "test"]
    shown = body["results"][0]
    assert shown.keys() == {"id", "name", "hint", "scopes", "created_at", "expires_at", "last_used_at"}
    assert shown["id"] == str(laptop.pk)
    assert shown["hint"] == secret[:8]
    assert shown["scopes"] == ["read", "chat"]
    assert parse_datetime(shown["expires_at"]) == expires_at
    assert shown["created_at"].endswith("Z")
    assert shown["last_used_at"] is None
    assert body["results"][1]["last_used_at"] is not None  # the one that asks


def test_shows_no_secret_and_no_digest(api: Client, alice: User) -> None:
    token, secret = token_create(user=alice, name="laptop")
    listed = api.get(URL).content.decode()
    assert secret not in listed
    assert token.digest not in listed


def test_pages(api: Client, alice: User) -> None:
    for number in range(4):
        token_create(user=alice, name=f"token {number}")
    first = api.get(f"{URL}?limit=2").json()
    second = api.get(first["next"]).json()
    third = api.get(second["next"]).json()
    pages = [[token["name"] for token in page["results"]] for page in (first, second, third)]
    assert pages == [["token 3", "token 2"], ["token 1", "token 0"], ["test"]]
    assert third["next"] is None
    assert api.get(third["previous"]).json()["results"] == second["results"]


def test_takes_as_many_queries_for_many_as_for_one(
    api: Client, alice: User, django_assert_num_queries
) -> None:
    api.get(URL)
    with django_assert_num_queries(2):  # the token that asks, the list
        api.get(URL)
    for number in range(5):
        token_create(user=alice, name=f"token {number}")
    with django_assert_num_queries(2):
        assert len(api.get(URL).json()["results"]) == 6


def test_a_deleted_token_is_refused_at_once(api: Client, alice: User) -> None:
    token, secret = token_create(user=alice, name="laptop")
    laptop = Client(headers={"Authorization": f"Bearer {secret}"})
    assert laptop.get(URL).status_code == 200
    response = api.delete(url_of(token))
    assert (response.status_code, response.content) == (204, b"")
    refused(laptop.get(URL), 401, "not_authenticated")
    refused(api.delete(url_of(token)), 404, "not_found")


def test_a_token_may_delete_itself(alice: User) -> None:
    token, secret = token_create(user=alice, name="laptop")
    laptop = Client(headers={"Authorization": f"Bearer {secret}"})
    assert laptop.delete(url_of(token)).status_code == 204
    assert not ApiToken.objects.exists()


def test_somebody_elses_token_does_not_exist(stranger: Client, alice: User) -> None:
    token, _ = token_create(user=alice, name="laptop")
    refused(stranger.delete(url_of(token)), 404, "not_found")
    assert ApiToken.objects.filter(pk=token.pk).exists()


@pytest.mark.parametrize("token_id", ["1", "nonsense", "%00", "..", uuid.uuid4(), "0" * 5000])
def test_an_id_that_is_none_does_not_exist(api: Client, token_id: object) -> None:
    refused(api.delete(f"{URL}/{token_id}"), 404, "not_found")
    refused(Client().delete(f"{URL}/{token_id}"), 401, "not_authenticated")


def test_deleting_needs_the_scope_manage(alice: User) -> None:
    token, _ = token_create(user=alice, name="laptop")
    error = refused(client_of(alice, "read", "chat").delete(url_of(token)), 403, "permission_denied")
    assert error["details"] == {"scope": "manage"}
    assert client_of(alice, "manage").delete(url_of(token)).status_code == 204


def test_a_browser_deletes_with_a_csrf_token(browser: Client, alice: User) -> None:
    token, _ = token_create(user=alice, name="laptop")
    refused(browser.delete(url_of(token)), 403, "csrf_failed")
    refused(browser.delete(url_of(token), headers={"X-CSRFToken": "x" * 32}), 403, "csrf_failed")
    assert browser.delete(url_of(token), headers={"X-CSRFToken": CSRF_TOKEN}).status_code == 204


def test_a_token_cannot_make_tokens(api: Client, browser: Client, alice: User) -> None:
    before = ApiToken.objects.count()
    body = {"name": "more", "scopes": ["read"]}
    for client in (api, browser):
        response = client.post(
            URL, body, content_type="application/json", headers={"X-CSRFToken": CSRF_TOKEN}
        )
        refused(response, 405, "method_not_allowed")
    assert ApiToken.objects.count() == before


def test_other_methods_are_405(api: Client, alice: User) -> None:
    token, _ = token_create(user=alice, name="laptop")
    for method in ("post", "put", "patch", "delete", "options"):
        refused(getattr(api, method)(URL), 405, "method_not_allowed")
    for method in ("get", "post", "put", "patch", "options"):
        refused(getattr(api, method)(url_of(token)), 405, "method_not_allowed")


def test_a_wrong_method_needs_no_scope(alice: User) -> None:
    refused(client_of(alice, "read").post(URL), 405, "method_not_allowed")


def test_signed_out_is_401() -> None:
    response = Client().get(URL)
    refused(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("limit", ["0", "201", "-1", "", "ten", "1.5", "٣", "9" * 5000])
def test_a_limit_out_of_bounds_is_refused(api: Client, limit: str) -> None:
    error = refused(api.get(URL, {"limit": limit}), 400, "invalid_parameter")
    assert error["details"] == {"parameter": "limit"}


@pytest.mark.parametrize("limit", ["1", "200"])
def test_the_bounds_themselves_are_taken(api: Client, limit: str) -> None:
    assert api.get(URL, {"limit": limit}).status_code == 200


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "é",
        "%00",
        "cD1ub25zZW5zZQ==",  # p=nonsense
        "cD0yMDI2LTExLTIyKzE0JTNBMTI=",  # p=2026-11-22 14:12, of no time zone
        "cD0yMDI2LTEzLTQ1VDI1OjYxOjYxWg==",  # p=2026-13-45T25:61:61Z
        "cD0wMDAxLTAxLTAxKzAwJTNBMDAlM0EwMCUyQjE0JTNBMDA=",  # p=0001-01-01 00:00:00+14:00, before time
        "cD0lMDA=",  # p=NUL
        "bz1ub25zZW5zZQ==",  # o=nonsense
        "bz0tMQ==",  # o=-1
    ],
)
def test_a_cursor_that_no_list_gave_out_is_refused(api: Client, cursor: str) -> None:
    error = refused(api.get(URL, {"cursor": cursor}), 400, "invalid_parameter")
    assert error["details"] == {"parameter": "cursor"}


def test_a_cursor_far_beyond_the_end_finds_nothing(api: Client) -> None:
    far = api.get(URL, {"cursor": "bz0xMDAw"})  # o=1000
    assert far.json()["results"] == []


def test_the_authorization_of_a_list_is_that_of_its_pages(api: Client, stranger: Client, alice: User) -> None:
    for number in range(2):
        token_create(user=alice, name=f"token {number}")
    following = api.get(f"{URL}?limit=1").json()["next"]
    names = {token["name"] for token in stranger.get(following).json()["results"]}
    assert names <= {"test"}
    refused(
        Client(headers={"Authorization": bearer(alice, "manage")}).get(following), 403, "permission_denied"
    )
