"""Attacks on access rights, found by hand, run over the whole URL map so that they cover new views."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from accounts.services.passwords import link_path
from accounts.services.people import setup_link_issue
from accounts.tests.support.admin_site import static_files_as_they_are
from accounts.tests.support.clients import CSRF_TOKEN, PASSWORD, bearer, browser_of, client_of, make_user
from pantheon.tests.support.url_map import RETURNS_CONNECTIONS, TABLE, of_kind, path_of, send
from sessions.dispatch import use_dispatcher
from sessions.downloads import SANDBOX
from sessions.tests.support.admin_rows import Rows, make_rows

__all__ = ["static_files_as_they_are"]

pytestmark = [
    pytest.mark.walk,
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),
]
SIGN_IN = reverse("sign-in")
ALICE = "alice@example.com"
API_KINDS = ("api", "api-admin", "openai")
PAGE_KINDS = ("page", "page-staff", "admin", "admin-open")
TYPES = ("application/x-www-form-urlencoded", "application/json", "text/plain")
ORIGINS = (
    "https://evil.example",
    "null",
    "http://testserver:8443",
    "https://testserver",
    "http://testserver.evil.example",
)
HOSTILE_ROUTES = (
    *(
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
    ),
    *(
        "http:evil.example",
        "///evil.example",
        "https:///evil.example",
        " https://evil.example",
        "data:text/html,x",
    ),
)


@pytest.fixture(autouse=True)
def _quick(settings: Any) -> None:
    use_dispatcher(None)
    settings.PANTHEON_WAIT_S = 0.01
    settings.PANTHEON_STAFF_READ_MESSAGES = True
    settings.PANTHEON_REQUESTS_PER_MINUTE = settings.PANTHEON_TURNS_PER_MINUTE = 0


@pytest.fixture
def rows() -> Rows:
    Group.objects.create(name="auditors")
    return make_rows()


@pytest.fixture
def root(rows: Rows) -> User:
    return make_user("root", is_staff=True, is_superuser=True)


# --- What is somebody else's ------------------------------------------------------------------------------------------


def test_an_administrator_is_a_stranger_too(rows: Rows, root: User) -> None:
    """Outside the administration's pages and API, other users' data does not exist even for staff."""
    clients = {"api": client_of(root), "openai": client_of(root), "page": browser_of(root)}
    found = {}
    for route, method in of_kind(*clients):
        if "<" in route and (route, method) not in RETURNS_CONNECTIONS:
            response = send(clients[TABLE[route].kind], method, route, rows)
            if response.status_code != 404:
                found[route, method] = response.status_code
    assert found == {}


# --- Requests of other sites ------------------------------------------------------------------------------------------


def writes(*kinds: str) -> list[tuple[str, str]]:
    return [(route, method) for route, method in of_kind(*kinds) if method != "GET"]


def tried_writes(client: Client, rows: Rows, kinds: tuple[str, ...], **headers: str) -> dict[Any, int]:
    """Send all writes of these kinds with each content type that forms can send; return those not refused."""
    return {
        (route, method, kind): response.status_code
        for route, method in writes(*kinds)
        for kind in TYPES
        for response in [
            client.generic(method, path_of(route, rows), b"{}", content_type=kind, headers=headers)
        ]
        if response.status_code != 403
    }


@pytest.mark.parametrize("kinds", [("page", "page-staff"), ("admin", "admin-open"), API_KINDS], ids=str)
def test_no_write_with_a_cookie_alone(rows: Rows, root: User, kinds: tuple[str, ...]) -> None:
    assert tried_writes(browser_of(root), rows, kinds) == {}


@pytest.mark.parametrize("origin", ORIGINS)
def test_no_write_from_another_origin(rows: Rows, root: User, origin: str) -> None:
    """Even with the token: a cookie set for a whole domain can leak to its other hosts."""
    browser = browser_of(root)
    headers = {"X-CSRFToken": CSRF_TOKEN, "Origin": origin}
    for path in ("/account/name", reverse("account-tokens"), "/api/v1/rooms", "/admin/auth/group/add/"):
        kind = "application/json" if "/api/" in path else TYPES[0]
        assert browser.post(path, b"{}", content_type=kind, headers=headers).status_code == 403, path


def test_signing_in_and_out_need_the_token_of_their_form(rows: Rows) -> None:
    client = Client(enforce_csrf_checks=True)
    for path in (SIGN_IN, reverse("sign-out"), reverse("forgot-password")):
        assert client.post(path, {"username": "a@b.c", "password": "x"}).status_code == 403, path


def test_no_get_writes(rows: Rows, root: User) -> None:
    """A GET, for example by a preloading browser, changes nothing except the audit log of read messages."""
    browsers = {"page": browser_of(rows.user), "api": browser_of(rows.user), "openai": browser_of(rows.user)}
    found = {}
    for route, method in of_kind("public", *API_KINDS, *PAGE_KINDS):
        # `ready` writes what it takes back: it tells whether the database can be written.
        if method != "GET" or (route, method) in RETURNS_CONNECTIONS or route == "api/v1/ready":
            continue
        address = path_of(route, rows)
        with CaptureQueriesContext(connection) as queries:
            browsers.get(TABLE[route].kind, browser_of(root)).get(address)
        changed = [
            query["sql"][:120]
            for query in queries
            if re.match(r"INSERT|UPDATE|DELETE|REPLACE", query["sql"])
            and not re.search(r"django_session|accounts_auditentry", query["sql"][:120])
            and "last_login" not in query["sql"]  # force_login
        ]
        if changed:
            found[route] = changed
    assert found == {}


# --- Addresses to go on to --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", HOSTILE_ROUTES)
def test_no_form_leads_to_another_site(rows: Rows, root: User, to: str) -> None:
    alice = make_user("alice")
    form = {"username": ALICE, "password": PASSWORD, "next": to}
    answers = [
        Client().post(SIGN_IN, form),
        Client().post(f"{SIGN_IN}?next={to}", {**form, "next": ""}),
        browser_without_checks(alice).get(SIGN_IN, {"next": to}),
        browser_without_checks(alice).post(reverse("sign-out"), {"next": to}),
        browser_without_checks(root).post(reverse("admin:logout"), {"next": to}),
        browser_without_checks(root).get(reverse("admin:login"), {"next": to}),
    ]
    for response in answers:
        assert response.status_code in (200, 302)
        location = response.get("Location", "/")
        assert location.startswith("/"), location
        assert not re.match(r"/[/\\]", location), location
    leads_on = Client().get(reverse("admin:login"), {"next": to})["Location"]
    assert leads_on.startswith(f"{SIGN_IN}?next=")


def browser_without_checks(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


# --- Cookies and headers ----------------------------------------------------------------------------------------------


def test_every_page_says_what_browsers_must_not_do(rows: Rows, root: User) -> None:
    browsers = {"page": browser_of(rows.user), "public": Client()}
    wrong = {}
    for route, method in of_kind("public", *PAGE_KINDS):
        if method == "GET" and not route.startswith("api/"):
            response = browsers.get(TABLE[route].kind, browser_of(root)).get(path_of(route, rows))
            csp = response.get("Content-Security-Policy", "")
            sound = (
                ("frame-ancestors 'none'" in csp or csp == SANDBOX["Content-Security-Policy"])
                and "'unsafe-inline'" not in csp.partition("script-src")[2].partition(";")[0]
                and "'unsafe-eval'" not in csp
                and response.get("X-Frame-Options") == "DENY"
                and response.get("X-Content-Type-Options") == "nosniff"
                and response.get("Referrer-Policy") == "same-origin"
            )
            kept = TABLE[route].kind == "page" and not re.search(
                r"no-store|private", response.get("Cache-Control", "")
            )
            if not sound or kept:
                wrong[route] = dict(response.headers)
    assert wrong == {}


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(rows: Rows) -> None:
    make_user("alice")
    client = Client()
    client.post(SIGN_IN, {"username": ALICE, "password": PASSWORD})
    assert client.cookies["pantheon_session"]["httponly"]
    assert {cookie["samesite"] for cookie in client.cookies.values()} == {"Lax"}


def test_a_session_is_new_at_sign_in_and_gone_at_sign_out(rows: Rows) -> None:
    make_user("alice")
    client = Client()
    client.get(SIGN_IN)
    session = client.session
    session["planted"] = True
    session.save()
    client.cookies["pantheon_session"] = planted = str(session.session_key)
    client.post(SIGN_IN, {"username": ALICE, "password": PASSWORD})
    key = client.cookies["pantheon_session"].value
    assert key != planted
    assert not Session.objects.filter(session_key=planted).exists()
    client.post(reverse("sign-out"))
    thief = Client()
    thief.cookies["pantheon_session"] = key
    assert thief.get("/account").status_code == 302
    assert thief.get("/api/v1/auth/me").status_code == 401


@pytest.mark.parametrize("place", ["token", "access_token", "api_key", "authorization"])
def test_a_token_counts_in_its_header_alone(rows: Rows, place: str) -> None:
    secret = bearer(rows.user).removeprefix("Bearer ")
    assert Client().get("/api/v1/auth/me", {place: secret}).status_code == 401
    assert Client(headers={"X-Api-Key": secret}).get("/api/v1/auth/me").status_code == 401
    client = Client()
    client.cookies[place] = secret
    assert client.get("/api/v1/auth/me").status_code == 401


@pytest.mark.parametrize(
    "name", ["X-Forwarded-Host", "X-Host", "Forwarded", "X-Original-Host", "X-Rewrite-URL"]
)
def test_another_host_is_not_believed(rows: Rows, root: User, name: str) -> None:
    value = "host=evil.example" if name == "Forwarded" else "evil.example"
    link = reverse("admin:accounts_user_password_link", args=[rows.user.pk])
    browser = browser_without_checks(root)
    for response in (
        browser.post(link, headers={name: value}),
        Client().get("/account", headers={name: value}),
        client_of(rows.user).get("/api/v1/agents?limit=1", headers={name: value}),
        Client().get("/api/v1/schema", headers={name: value}),
    ):
        assert "evil.example" not in response.content.decode()
        assert "evil.example" not in response.get("Location", "")


@pytest.mark.parametrize("proxies", [0, 1])
def test_a_claimed_address_makes_no_new_caller(settings: Any, db: None, proxies: int) -> None:
    settings.PANTHEON_SIGNUP, settings.PANTHEON_SIGN_IN_ATTEMPTS_PER_ADDRESS = "open", 3
    settings.PANTHEON_SIGN_IN_WINDOW_S = 1e9
    settings.PANTHEON_PROXIES = proxies
    form = {"email": "a@example.com", "password": "short", "password_again": "short"}
    claims = [f"203.0.113.{number}" + (", 192.0.2.1" if proxies else "") for number in range(4)]
    tried = [
        Client().post("/sign-up", form, headers={"X-Forwarded-For": claim}).status_code for claim in claims
    ]
    assert tried == [200, 200, 200, 429]


# --- Links that make accounts and passwords ---------------------------------------------------------------------------


def test_letters_that_lower_to_others_make_no_second_account(db: None) -> None:
    """The Kelvin sign lowercases to k, so addresses with it are the same as with k."""
    make_user("kim")
    secret = setup_link_issue()
    fields = {"email": "\u212aim@example.com", "name": "", "password": PASSWORD, "password_again": PASSWORD}
    response = Client().post(reverse("setup", args=[secret]), fields)
    assert response.status_code == 200
    assert list(User.objects.values_list("email", flat=True)) == ["kim@example.com"]


def test_a_reset_link_is_dead_after_a_sign_in(rows: Rows) -> None:
    alice = make_user("alice")
    link = link_path(alice)
    assert Client().get(link).status_code == 200
    Client().post(SIGN_IN, {"username": ALICE, "password": PASSWORD})
    assert Client().get(link).status_code == 404


def test_no_secret_reaches_the_log(rows: Rows, caplog: pytest.LogCaptureFixture) -> None:
    """Successful, refused and missing responses."""
    token = bearer(rows.user).removeprefix("Bearer ")
    client = Client(headers={"Authorization": f"Bearer {token}"}, raise_request_exception=False)
    alice = make_user("alice")
    link = link_path(alice)
    with caplog.at_level(logging.DEBUG):
        for path in ("/api/v1/auth/me", "/api/v1/agents/x", "/api/v1/nothing"):
            client.get(path)
        client.post("/api/v1/rooms", b"{", content_type="application/json")
        Client().get(link)
        Client().post(SIGN_IN, {"username": ALICE, "password": "hunter2 hunter2"})
        Client().post(SIGN_IN, {"username": ALICE, "password": PASSWORD})
    logged = "\n".join(
        record.getMessage() for record in caplog.records if record.name != "django.db.backends"
    )
    for secret in (token, link.rpartition("/")[2], "hunter2", PASSWORD, alice.password):
        assert secret not in logged
