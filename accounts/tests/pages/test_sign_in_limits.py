"""Limits on sign-in attempts, per email address (even without an account) and per client address."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from django.core.cache import cache
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.models import User
from accounts.pages.devices import KEPT_FOR
from accounts.pages.sign_in_limits import counters_of
from accounts.services.passwords import link_path
from accounts.tests.support.admin_site import signed_in, static_files_as_they_are
from accounts.tests.support.at_once import at_once
from accounts.tests.support.clients import PASSWORD, make_user
from web.addresses import client_address

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).parents[3]
SIGN_IN = reverse("sign-in")
ALICE = "alice@example.com"
NOBODY = "nobody@example.com"


@pytest.fixture(autouse=True)
def _limits(settings: Any, alice: User) -> None:
    """Low limits, and a window longer than any test."""
    settings.PANTHEON_SIGN_IN_ATTEMPTS_PER_EMAIL = 3
    settings.PANTHEON_SIGN_IN_ATTEMPTS_PER_ADDRESS = 5
    settings.PANTHEON_SIGN_IN_WINDOW_S = 1e9
    settings.PANTHEON_PROXIES = 1


def attempt(email: str, password: str = "wrong", *, address: str = "192.0.2.1") -> Any:
    return Client().post(
        SIGN_IN, {"username": email, "password": password}, headers={"X-Forwarded-For": address}
    )


def statuses(*emails: str, **fields: Any) -> list[int]:
    return [attempt(email, **fields).status_code for email in emails]


@pytest.mark.parametrize("email", [ALICE, NOBODY])
def test_an_address_with_and_without_an_account_is_treated_alike(email: str) -> None:
    assert statuses(*[email] * 5) == [200, 200, 200, 429, 429]
    response = attempt(email)
    page = response.content.decode()
    assert int(response["Retry-After"]) > 0
    assert "Too many attempts" in page
    assert email not in page


def test_the_right_password_does_not_help_any_more() -> None:
    statuses(*[ALICE] * 3)
    response = attempt(ALICE, PASSWORD, address="192.0.2.2")
    assert response.status_code == 429
    assert "pantheon_session" not in response.cookies


def test_however_the_address_is_typed() -> None:
    assert statuses(ALICE, "Alice@Example.com", " ALICE@example.com ", ALICE) == [200, 200, 200, 429]


def test_from_wherever_it_is_tried() -> None:
    tried = [attempt(ALICE, address=f"192.0.2.{number}").status_code for number in range(4)]
    assert tried == [200, 200, 200, 429]


def test_a_client_that_tries_many_addresses() -> None:
    emails = [f"person-{number}@example.com" for number in range(6)]
    assert statuses(*emails) == [200] * 5 + [429]
    assert attempt("person-9@example.com", address="192.0.2.9").status_code == 200


def test_a_success_resets_the_count_and_is_not_counted() -> None:
    for _ in range(3):
        assert statuses(ALICE, ALICE) == [200, 200]
        assert attempt(ALICE, PASSWORD).status_code == 302
        cache.delete_many(address_keys())
    assert [attempt(ALICE, PASSWORD).status_code for _ in range(8)] == [302] * 8


def address_keys() -> list[str]:
    request = RequestFactory().get("/", headers={"X-Forwarded-For": "192.0.2.1"})
    return [counter.key for counter in counters_of(request, "password", None)]


def test_a_form_that_is_not_filled_in_is_no_attempt() -> None:
    for fields in ({}, {"username": ALICE}, {"username": "no address", "password": "x"}):
        for _ in range(4):
            assert Client().post(SIGN_IN, fields).status_code == 200
    assert attempt(ALICE, PASSWORD).status_code == 302


def test_a_window_ends(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.PANTHEON_SIGN_IN_WINDOW_S = 900.0
    now = [900_000_000.0 + 100]
    monkeypatch.setattr("accounts.pages.sign_in_limits.time.time", lambda: now[0])
    assert statuses(*[ALICE] * 4) == [200, 200, 200, 429]
    response = attempt(ALICE)
    assert response["Retry-After"] == "800"
    assert "Try again in 14 minutes." in response.content.decode()
    now[0] += 800
    assert attempt(ALICE, PASSWORD).status_code == 302


@pytest.mark.parametrize(
    "limit", ["PANTHEON_SIGN_IN_ATTEMPTS_PER_EMAIL", "PANTHEON_SIGN_IN_ATTEMPTS_PER_ADDRESS"]
)
def test_0_is_no_limit(settings: Any, limit: str) -> None:
    setattr(settings, limit, 0)
    emails = [ALICE] * 5 if "EMAIL" in limit else [f"p{number}@example.com" for number in range(8)]
    assert set(statuses(*emails)) == {200}


@pytest.mark.django_db(transaction=True)
def test_attempts_at_once_are_all_counted() -> None:
    done = at_once(*[lambda: attempt(NOBODY).status_code for _ in range(5)])
    assert sorted(done) == [200, 200, 200, 429, 429]  # type: ignore[type-var]


def test_the_administration_has_no_way_around_it() -> None:
    login = reverse("admin:login")
    form = {"username": ALICE, "password": PASSWORD}
    response = Client().post(f"{login}?next=/admin/costs/", form)
    assert response.status_code == 302
    assert response["Location"] == f"{SIGN_IN}?next=/admin/costs/"
    assert "pantheon_session" not in response.cookies


def test_users_without_access_to_the_administration_get_an_explanation(alice: User) -> None:
    response = signed_in(alice).get(reverse("admin:index"), follow=True)
    assert response.status_code == 403
    carol = make_user("carol", is_staff=True)
    assert signed_in(carol).get(reverse("admin:login"))["Location"] == reverse("admin:index")


def test_signing_in_leads_into_the_administration() -> None:
    make_user("carol", is_staff=True)
    client = Client()
    asked = client.get(reverse("admin:index"), follow=True)
    assert asked.resolver_match.url_name == "sign-in"
    form = {"username": "carol@example.com", "password": PASSWORD, "next": asked.context["next"]}
    assert client.post(SIGN_IN, form)["Location"] == reverse("admin:index")


class CountedHasher(PBKDF2PasswordHasher):
    """Count password hashes, which dominate the response time."""

    iterations = 1
    hashed = 0

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        type(self).hashed += 1
        return super().encode(password, salt, iterations)


class TestTheTimeItTakes:
    """Hashing dominates the response time, so it must happen as often for unknown addresses."""

    @pytest.mark.parametrize("who", ["alice", "suspended", "nobody"])
    def test_does_not_reveal_who_has_an_account(self, settings: Any, alice: User, who: str) -> None:
        settings.PASSWORD_HASHERS = [f"{__name__}.CountedHasher"]
        User.objects.create(email="suspended@example.com", is_active=False, password=make_password(PASSWORD))
        User.objects.filter(pk=alice.pk).update(password=make_password(PASSWORD))
        CountedHasher.hashed = 0
        password = PASSWORD if who == "suspended" else "wrong"
        response = attempt(f"{who}@example.com", password)
        assert response.status_code == 200
        assert "Wrong email address or password" in response.content.decode()
        assert CountedHasher.hashed == 1


class TestKnownDevice:
    """Anybody can use up the attempts of an email address, but not those of a known browser."""

    @pytest.fixture(autouse=True)
    def _fast_hashes(self, settings: Any, alice: User, bob: User) -> None:
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
        User.objects.update(password=make_password(PASSWORD))
        alice.refresh_from_db()

    @pytest.fixture
    def browser(self, alice: User) -> Client:
        """Return a browser that has signed in to Alice's account and signed out again."""
        client = Client()
        assert self.sign_in(client).status_code == 302
        client.post(reverse("sign-out"))
        assert "pantheon_session" not in client.cookies or not client.cookies["pantheon_session"].value
        return client

    def sign_in(self, client: Client, email: str = ALICE, password: str = PASSWORD) -> Any:
        form = {"username": email, "password": password}
        return client.post(SIGN_IN, form, headers={"X-Forwarded-For": "192.0.2.7"})

    def device(self, client: Client) -> Any:
        [cookie] = [cookie for name, cookie in client.cookies.items() if name.startswith("pantheon_device_")]
        return cookie

    def test_is_not_locked_out_by_others(self, browser: Client) -> None:
        statuses(*[ALICE] * 9)
        statuses(*[NOBODY] * 9, address="192.0.2.7")
        assert self.sign_in(Client()).status_code == 429
        assert self.sign_in(browser).status_code == 302

    def test_has_attempts_of_its_own_and_no_more(self, browser: Client) -> None:
        tried = [self.sign_in(browser, password="wrong").status_code for _ in range(4)]
        assert tried == [200, 200, 200, 429]
        assert self.sign_in(browser).status_code == 429
        assert attempt(ALICE, PASSWORD).status_code == 302, "what is wrong there stands in no other's way"

    def test_gives_others_no_further_attempts_when_it_signs_in(self, browser: Client) -> None:
        statuses(*[ALICE] * 3)
        assert self.sign_in(browser).status_code == 302
        assert statuses(ALICE) == [429]

    def test_is_known_to_the_accounts_it_has_signed_in_to(self, browser: Client, bob: User) -> None:
        statuses(*[bob.email] * 3)
        assert self.sign_in(browser, bob.email).status_code == 429
        cache.clear()
        assert self.sign_in(browser, bob.email).status_code == 302
        browser.post(reverse("sign-out"))
        for email in (bob.email, ALICE):
            statuses(*[email] * 3)
            assert self.sign_in(browser, email).status_code == 302
            browser.post(reverse("sign-out"))

    def test_is_forgotten_with_the_password(self, browser: Client, alice: User) -> None:
        alice.set_password("quite another passphrase")
        alice.save()
        statuses(*[ALICE] * 3)
        assert self.sign_in(browser, password="quite another passphrase").status_code == 429

    def test_that_changes_or_resets_the_password_stays_known(self, browser: Client, alice: User) -> None:
        new = {"password": "quite another passphrase", "password_again": "quite another passphrase"}
        self.sign_in(browser)
        browser.post(reverse("account-password"), {"old_password": PASSWORD, **new})
        browser.post(reverse("sign-out"))
        statuses(*[ALICE] * 3)
        assert self.sign_in(browser, password=new["password"]).status_code == 302
        alice.refresh_from_db()
        other = Client()
        assert other.post(link_path(alice), dict.fromkeys(new, "a third long passphrase")).status_code == 302
        assert self.sign_in(other, password="a third long passphrase").status_code == 302

    def test_needs_a_cookie_that_is_ours(self, browser: Client) -> None:
        statuses(*[ALICE] * 3)
        cookie = self.device(browser)
        signed = cookie.value
        for forged in ("", "x", signed[:-1], f"x{signed}", signed.replace(".", "", 1)):
            client = Client()
            client.cookies[cookie.key] = forged
            assert self.sign_in(client).status_code == 429

    def test_cookie_is_good_for_nothing_else(self, browser: Client, alice: User) -> None:
        cookie = self.device(browser)
        assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (
            True,
            "Lax",
            KEPT_FOR.total_seconds(),
        )
        assert alice.email not in f"{cookie.key}{cookie.value}"
        assert alice.password not in cookie.value
        assert browser.get(reverse("account")).status_code == 302
        assert browser.get("/api/v1/auth/me").status_code == 401

    def test_changes_its_password_whatever_others_try(self, browser: Client) -> None:
        self.sign_in(browser)
        statuses(*[ALICE] * 3)
        form = {"old_password": "wrong", "password": "x" * 12, "password_again": "x" * 12}
        tried = [browser.post(reverse("account-password"), form).status_code for _ in range(4)]
        assert tried == [200, 200, 200, 429]


def test_asking_for_links_and_signing_in_are_counted_apart(settings: Any) -> None:
    settings.EMAIL_URL, settings.PANTHEON_URL = "smtp://127.0.0.1:1", "http://localhost"
    caller = {"X-Forwarded-For": "192.0.2.1"}
    forgot = [
        Client().post(reverse("forgot-password"), {"email": NOBODY}, headers=caller).status_code
        for _ in range(6)
    ]
    assert forgot == [200] * 5 + [429]
    assert statuses(*[NOBODY] * 4) == [200, 200, 200, 429]
    assert Client().post(reverse("forgot-password"), {"email": NOBODY}).status_code == 200


@pytest.mark.parametrize("path", [SIGN_IN, reverse("account-password")])
def test_every_place_that_takes_a_password_counts_the_same(alice: User, path: str) -> None:
    browser = signed_in(alice)
    form = {"old_password": "wrong", "password": "x" * 12, "password_again": "x" * 12}
    for _ in range(3):
        if path == SIGN_IN:
            attempt(ALICE, address="192.0.2.1")
        else:
            browser.post(path, form)
    assert attempt(ALICE, PASSWORD, address="192.0.2.2").status_code == 429
    assert browser.post(reverse("account-password"), form).status_code == 429


def test_no_other_form_takes_the_password_that_an_account_has() -> None:
    """List the places that check a password and count attempts; a new one must do both."""
    checks = re.compile(
        r"\.check_password\(|\bauthenticate\(request|AuthenticationForm\b|\bPasswordChangeForm"
    )
    found = {
        str(path.relative_to(ROOT))
        for package in ("accounts", "billing", "orchestration", "pantheon", "sessions")
        for path in (ROOT / package).rglob("*.py")
        if "tests" not in path.parts and checks.search(path.read_text())
    }
    assert found == {"accounts/pages/sign_in.py", "accounts/pages/account.py"}


def test_an_older_hash_is_replaced_at_sign_in(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(password=make_password(PASSWORD, hasher="pbkdf2_sha256"))
    assert attempt(ALICE).status_code == 200
    alice.refresh_from_db()
    assert alice.password.startswith("pbkdf2_sha256$")
    assert attempt(ALICE, PASSWORD).status_code == 302
    alice.refresh_from_db()
    assert alice.password.startswith("argon2$argon2id$")
    assert attempt(ALICE, PASSWORD).status_code == 302


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "", "198.51.100.7"),
        (0, "192.0.2.1", "198.51.100.7"),
        (1, "192.0.2.1", "192.0.2.1"),
        (1, "6.6.6.6, 192.0.2.1", "192.0.2.1"),
        (2, "6.6.6.6, 192.0.2.1, 10.0.0.1", "192.0.2.1"),
        (2, "192.0.2.1", "198.51.100.7"),
        (1, "", "198.51.100.7"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (1, "::1", "::/64"),
        (1, "::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_the_client_is_whom_our_own_proxies_saw(
    settings: Any, proxies: int, forwarded: str, address: str
) -> None:
    settings.PANTHEON_PROXIES = proxies
    request = RequestFactory().get("/", headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR="198.51.100.7")
    assert client_address(request) == address
