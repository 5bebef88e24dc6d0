"""How many pages of a minute one person may open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.tests.support.admin_site import static_files_as_they_are
from accounts.tests.support.clients import CSRF_TOKEN, browser_of, make_user

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
MOST = 3
ACCOUNT = reverse("account")


@pytest.fixture(autouse=True)
def _few(settings) -> Iterator[None]:
    settings.PANTHEON_REQUESTS_PER_MINUTE = MOST
    yield
    cache.clear()


@pytest.fixture
def alice() -> User:
    return make_user("alice")


def statuses(client: Client, path: str = ACCOUNT, times: int = MOST + 1) -> list[int]:
    return [client.get(path).status_code for _ in range(times)]


def test_too_many_pages_are_refused_with_a_page_that_says_when(alice: User) -> None:
    client = browser_of(alice)
    assert statuses(client) == [200] * MOST + [429]
    refusal = client.get(ACCOUNT)
    assert 1 <= int(refusal["Retry-After"]) <= 60
    assert refusal["Content-Type"].startswith("text/html")
    page = refusal.content.decode()
    assert "Too many requests" in page
    assert f"You are opening pages too quickly. Try again in {refusal['Retry-After']} s." in page
    assert client.post(reverse("account"), {"csrfmiddlewaretoken": CSRF_TOKEN}).status_code == 429


def test_people_are_counted_apart_and_browsers_of_one_person_together(alice: User) -> None:
    assert statuses(browser_of(alice), times=MOST) == [200] * MOST
    assert browser_of(alice).get(ACCOUNT).status_code == 429
    assert browser_of(make_user("bob")).get(ACCOUNT).status_code == 200


def test_pages_and_the_requests_of_their_scripts_are_counted_apart(alice: User) -> None:
    client = browser_of(alice)
    assert statuses(client) == [200] * MOST + [429]
    assert statuses(client, "/api/v1/auth/me") == [200] * MOST + [429]


@pytest.mark.parametrize("path", ["/api/v1/health", "/static/favicon.svg"])
def test_health_and_static_files_are_not_counted(alice: User, path: str) -> None:
    client = browser_of(alice)
    assert set(statuses(client, path, times=2 * MOST)) <= {200, 404}
    assert client.get(ACCOUNT).status_code == 200


def test_without_a_limit_nothing_is_counted(alice: User, settings) -> None:
    settings.PANTHEON_REQUESTS_PER_MINUTE = 0
    assert statuses(browser_of(alice), times=2 * MOST) == [200] * 2 * MOST


def test_who_is_not_signed_in_is_led_to_the_way_in(client: Client) -> None:
    assert statuses(client) == [302] * (MOST + 1)
