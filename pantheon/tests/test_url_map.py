"""Every view of the whole URL map, and whom it lets in. A view or a method without an entry here fails.

Signed out: 401 of the API, the sign-in page elsewhere. A stranger: 404 for what belongs to somebody else. Who is not
staff: nothing of the administration. Staff without the permission: no figure, no row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.views.generic import RedirectView

from accounts.models import User
from accounts.tests.admin_site import signed_in, static_files_as_they_are
from accounts.tests.clients import browser_of, client_of, make_user, refused
from billing.models import Budget
from sessions.dispatch import use_dispatcher
from sessions.models import Summary
from sessions.tests.admin_rows import WRITTEN, Rows, make_rows

__all__ = ["static_files_as_they_are"]

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),
]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Entry:
    """A route of one kind, with the methods it has. What stands in the path belongs to somebody."""

    kind: str
    """public, api, openai (other errors), api-admin, page, page-staff and admin (by permission), admin-open (staff)."""
    methods: str = "GET"


def api(methods: str = "GET") -> Entry:
    return Entry("api", methods)


def page(methods: str = "GET") -> Entry:
    return Entry("page", methods)


API = {
    "health": Entry("public"),
    "ready": Entry("public"),
    "schema": Entry("public"),
    "docs": Entry("public"),
    "auth/me": api(),
    "auth/tokens": api(),
    "auth/tokens/<str:token_id>": api("DELETE"),
    "usage": api(),
    "usage/summary": api(),
    "models": api(),
    "agents": api("GET POST"),
    "agents/<str:agent_id>": api("GET PATCH DELETE"),
    "agents/<str:agent_id>/sessions": api("GET POST"),
    "rooms": api("GET POST"),
    "rooms/<str:room_id>": api("GET PATCH DELETE"),
    "rooms/<str:room_id>/agents": api("PUT"),
    "rooms/<str:room_id>/sessions": api("GET POST"),
    "sessions/<str:session_id>": api("GET PATCH DELETE"),
    "sessions/<str:session_id>/turns": api("GET POST"),
    "sessions/<str:session_id>/turns/estimate": api("POST"),
    "sessions/<str:session_id>/export": api(),
    "sessions/<str:session_id>/messages": api(),
    "sessions/<str:session_id>/fork": api("POST"),
    "sessions/<str:session_id>/summaries": api("GET POST"),
    "search": api(),
    "summaries/<str:summary_id>": api("PATCH"),
    "turns/<str:turn_id>": api(),
    "turns/<str:turn_id>/events": api(),
    "turns/<str:turn_id>/retry": api("POST"),
    "turns/<str:turn_id>/rerun": api("POST"),
    "turns/<str:turn_id>/cancel": api("POST"),
    "admin/usage/summary": Entry("api-admin"),
    "admin/usage/export.csv": Entry("api-admin"),
    "budgets": api(),
    "admin/budgets": Entry("api-admin", "GET POST"),
    "admin/budgets/<str:budget_id>": Entry("api-admin", "GET PATCH DELETE"),
    "admin/invitations": Entry("api-admin", "GET POST"),
    "admin/invitations/<str:invitation_id>": Entry("api-admin", "GET PATCH DELETE"),
    "admin/users/<str:user_id>/suspend": Entry("api-admin", "POST"),
    "admin/users/<str:user_id>/reactivate": Entry("api-admin", "POST"),
}

OPENAI = {
    "models": Entry("openai"),
    "chat/completions": Entry("openai", "POST"),
}

PAGES = {
    "metrics": Entry("api-admin"),
    "setup/<str:secret>": Entry("public", "GET POST"),
    "invite/<str:secret>": Entry("public", "GET POST"),
    "sign-up": Entry("public", "GET POST"),
    "sign-in": Entry("public", "GET POST"),
    "sign-out": Entry("public", "POST"),
    "forgot-password": Entry("public", "GET POST"),
    "reset-password/<str:user_id>/<str:secret>": Entry("public", "GET POST"),
    "account": page(),
    "account/name": page("GET POST"),
    "account/password": page("GET POST"),
    "account/tokens": page("GET POST"),
    "account/tokens/<str:token_id>/delete": page("POST"),
    "account/export": page(),
    "deleted": page(),
    "": page(),
    "usage": page(),
    "search": page(),
    "starter": page("POST"),
    "welcome": Entry("page-staff"),
    "welcome/<str:provider_id>/test": Entry("page-staff", "GET POST"),
    "agents/new": page("GET POST"),
    "agents/<str:agent_id>": page("GET POST"),
    "agents/<str:agent_id>/delete": page("POST"),
    "agents/<str:agent_id>/chat": page("POST"),
    "agents/<str:agent_id>/restore": page("POST"),
    "rooms/new": page("GET POST"),
    "rooms/<str:room_id>": page(),
    "rooms/<str:room_id>/edit": page("GET POST"),
    "rooms/<str:room_id>/mode": page("POST"),
    "rooms/<str:room_id>/delete": page("POST"),
    "rooms/<str:room_id>/restore": page("POST"),
    "rooms/<str:room_id>/sessions/new": page("POST"),
    "sessions/<str:session_id>": page(),
    "sessions/<str:session_id>/older": page(),
    "sessions/<str:session_id>/turns/<str:turn_id>": page(),
    "sessions/<str:session_id>/summary": page(),
    "sessions/<str:session_id>/rename": page("POST"),
    "sessions/<str:session_id>/delete": page("POST"),
    "sessions/<str:session_id>/restore": page("POST"),
}

ADMIN = {
    "costs/": Entry("admin"),
    "costs/shown.csv": Entry("admin"),
    "costs/events.csv": Entry("admin"),
    "costs/teams/": Entry("admin"),
    "costs/teams.csv": Entry("admin"),
    "ledger-audit/": Entry("admin"),
    "read/turns/<str:turn_id>/": Entry("admin"),
    "read/sessions/<str:session_id>/": Entry("admin"),
    "billing/modelprice/current/": Entry("admin"),
    "accounts/user/<id>/password/": Entry("admin", "GET POST"),
    "accounts/user/<id>/password-link/": Entry("admin", "POST"),
    "login/": Entry("public"),
    "": Entry("admin-open"),
    "logout/": Entry("admin-open", "POST"),
    "password_change/": Entry("admin-open", "GET POST"),
    "password_change/done/": Entry("admin-open"),
    "autocomplete/": Entry("admin"),
    "jsi18n/": Entry("admin-open"),
    "r/<path:content_type_id>/<path:object_id>/": Entry("admin-open"),
    "^(?P<app_label>auth|accounts|orchestration|billing|chat_sessions)/$": Entry("admin-open"),
    "(?P<url>.*)$": Entry("admin-open"),
}

ADMIN_MODELS = (
    *("auth/group", "accounts/user", "accounts/team", "accounts/apitoken", "accounts/invitation"),
    *("accounts/auditentry", "orchestration/provider", "orchestration/llmmodel", "billing/modelprice"),
    *(
        "billing/usageevent",
        "billing/dailyusage",
        "billing/budget",
        "chat_sessions/agent",
        "chat_sessions/room",
    ),
    *("chat_sessions/chatsession", "chat_sessions/turn", "chat_sessions/call", "chat_sessions/message"),
    "chat_sessions/summary",
)
MODEL_PAGES = {
    "": Entry("admin", "GET POST"),
    "add/": Entry("admin", "GET POST"),
    "<path:object_id>/history/": Entry("admin"),
    "<path:object_id>/delete/": Entry("admin", "GET POST"),
    "<path:object_id>/change/": Entry("admin", "GET POST"),
    "<path:object_id>/": Entry("admin-open"),  # leads to `change/`, which looks who asks
}

TABLE = {
    **{f"api/v1/{route}": entry for route, entry in API.items()},
    **{f"v1/{route}": entry for route, entry in OPENAI.items()},
    **PAGES,
    **{f"admin/{route}": entry for route, entry in ADMIN.items()},
    **{f"admin/{model}/{route}": entry for model in ADMIN_MODELS for route, entry in MODEL_PAGES.items()},
}

ROUTES: dict[str, URLPattern] = {}


def routes(patterns: Any, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route, pattern


ROUTES.update(routes(get_resolver().url_patterns))


def of_kind(*kinds: str) -> list[tuple[str, str]]:
    """Return (route, method) of all entries of these kinds."""
    return [
        (route, method)
        for route, entry in TABLE.items()
        if entry.kind in kinds
        for method in entry.methods.split()
    ]


RETURNS_CONNECTIONS = {
    ("api/v1/sessions/<str:session_id>/turns", "POST"),
    ("api/v1/sessions/<str:session_id>/summaries", "POST"),
    ("api/v1/turns/<str:turn_id>/events", "GET"),
    ("api/v1/turns/<str:turn_id>/retry", "POST"),
    ("api/v1/turns/<str:turn_id>/rerun", "POST"),
}
"""Views that close the request's connection before they wait, and with it a test's transaction."""


def owned() -> list[Any]:
    """Return (route, method) of what belongs to somebody."""
    return [
        pytest.param(
            *found,
            marks=[pytest.mark.django_db(transaction=True)] if found in RETURNS_CONNECTIONS else [],
        )
        for found in of_kind("api", "page", "page-staff")
        if "<" in found[0]
    ]


@pytest.fixture(autouse=True)
def _quick(settings: Any) -> None:
    """Nothing runs, nobody waits for it, and nobody is throttled."""
    use_dispatcher(None)
    settings.PANTHEON_WAIT_S = 0.01
    settings.PANTHEON_STAFF_READ_MESSAGES = True
    settings.PANTHEON_REQUESTS_PER_MINUTE = 0


@pytest.fixture
def rows() -> Rows:
    Group.objects.create(name="auditors")
    return make_rows()


@pytest.fixture
def bob() -> User:
    return make_user("bob")


def path_of(route: str, rows: Rows) -> str:
    """Return the address of a route, with what belongs to the owner of the rows."""
    ids = {
        "token_id": rows.token.pk,
        "agent_id": rows.agent.pk,
        "room_id": rows.room.pk,
        "session_id": rows.session.pk,
        "turn_id": rows.turn.pk,
        "summary_id": Summary.objects.get().pk,
        "user_id": rows.user.pk,
        "budget_id": Budget.objects.get(target_id=rows.team.pk).pk,
        "invitation_id": rows.team.invitations.get().pk,
        "provider_id": rows.model.provider_id,
        "id": rows.user.pk,
        "object_id": object_of(route),
        "content_type_id": 1,
        "secret": "guess",
    }
    path = route.replace("^(?P<app_label>auth|accounts|orchestration|billing|chat_sessions)/$", "billing/")
    path = path.replace("(?P<url>.*)$", "nowhere/")
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda match: str(ids[match[1]]), path)


def object_of(route: str) -> object:
    """Return the id of a row of the admin page's own model."""
    found = re.match(r"admin/(\w+)/(\w+)/<path:object_id>", route)
    if found is None:
        return "1"
    [model] = [
        model
        for model in admin.site._registry
        if (model._meta.app_label, model._meta.model_name) == found.groups()
    ]
    row = model._default_manager.first()
    return "1" if row is None else row.pk


def send(client: Client, method: str, route: str, rows: Rows) -> Any:
    csrf = client.cookies.get("pantheon_csrf")
    headers = {"X-CSRFToken": csrf.value} if csrf else {}
    path = path_of(route, rows)
    if TABLE[route].kind.startswith(("api", "openai")):
        return client.generic(method, path, b"{}", content_type="application/json", headers=headers)
    return client.get(path) if method == "GET" else client.post(path, headers=headers)


# --- The table is whole -----------------------------------------------------------------------------------------------


def test_every_view_has_an_entry() -> None:
    assert set(ROUTES) - set(TABLE) == set(), "views without an entry in this table"
    assert set(TABLE) - set(ROUTES) == set(), "entries without a view"


@pytest.mark.parametrize("route", sorted(set(TABLE) & set(ROUTES)))
def test_every_method_has_an_entry(route: str) -> None:
    callback: Any = ROUTES[route].callback
    view = getattr(callback, "cls", None) or getattr(callback, "view_class", None)
    if view is None or issubclass(view, RedirectView):
        return  # Django's own: functions that look at the method themselves, and pages that lead elsewhere
    has = {method for method in METHODS if hasattr(view, method.lower())}
    has -= {method for method in METHODS if method.lower() not in view.http_method_names}
    if route == "sign-in":  # a FormView takes PUT for POST
        has -= {"PUT"}
    assert has == set(TABLE[route].methods.split())


# --- Signed out -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("route", "method"), of_kind("api", "api-admin"))
def test_signed_out_the_api_is_401(rows: Rows, route: str, method: str) -> None:
    refused(send(Client(), method, route, rows), 401, "not_authenticated")


@pytest.mark.parametrize(("route", "method"), of_kind("openai"))
def test_signed_out_an_openai_client_is_401(rows: Rows, route: str, method: str) -> None:
    response = send(Client(), method, route, rows)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "not_authenticated")


@pytest.mark.parametrize(("route", "method"), of_kind("page", "page-staff"))
def test_signed_out_a_page_leads_to_sign_in(rows: Rows, route: str, method: str) -> None:
    response = send(Client(), method, route, rows)
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("sign-in"))


PUBLIC_ANSWERS = {
    ("api/v1/health", "GET"): 200,
    ("api/v1/ready", "GET"): 200,
    ("api/v1/schema", "GET"): 200,
    ("api/v1/docs", "GET"): 200,
    ("setup/<str:secret>", "GET"): 404,
    ("setup/<str:secret>", "POST"): 404,
    ("invite/<str:secret>", "GET"): 404,
    ("invite/<str:secret>", "POST"): 404,
    ("sign-up", "GET"): 404,
    ("sign-up", "POST"): 404,
    ("sign-in", "GET"): 200,
    ("sign-in", "POST"): 200,
    ("sign-out", "POST"): 302,
    ("forgot-password", "GET"): 200,
    ("forgot-password", "POST"): 200,
    ("reset-password/<str:user_id>/<str:secret>", "GET"): 404,
    ("reset-password/<str:user_id>/<str:secret>", "POST"): 404,
    ("admin/login/", "GET"): 302,
}


@pytest.mark.parametrize(("route", "method"), of_kind("public"))
def test_what_everybody_reaches_shows_nothing(rows: Rows, route: str, method: str) -> None:
    response = send(Client(), method, route, rows)
    assert response.status_code == PUBLIC_ANSWERS[route, method]
    content = response.content.decode()
    assert WRITTEN not in content
    assert rows.user.email not in content


# --- Strangers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("route", "method"), owned())
def test_a_strangers_things_do_not_exist(rows: Rows, bob: User, route: str, method: str) -> None:
    if TABLE[route].kind == "api":
        refused(send(client_of(bob), method, route, rows), 404, "not_found")
    response = send(browser_of(bob), method, route, rows)
    assert response.status_code == 404
    assert WRITTEN not in response.content.decode()


@pytest.mark.parametrize(("route", "method"), owned())
def test_ones_own_do(rows: Rows, route: str, method: str) -> None:
    """The refusals above are about who asks, not about a wrong address."""
    if TABLE[route].kind == "page-staff":
        User.objects.filter(pk=rows.user.pk).update(is_staff=True)
        rows.user.user_permissions.add(Permission.objects.get(codename="change_provider"))
    assert send(browser_of(rows.user), method, route, rows).status_code not in (401, 403, 404, 405)


@pytest.mark.parametrize(
    "route",
    [route for route, method in of_kind("api", "openai", "page") if method == "GET" and "<" not in route],
)
def test_lists_show_nothing_of_others(rows: Rows, bob: User, route: str) -> None:
    response = send(browser_of(bob), "GET", route, rows)
    content = b"".join(response).decode()  # some are streams
    assert WRITTEN not in content
    assert rows.user.email not in content
    assert str(rows.room.pk) not in content


# --- Staff ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("route", "method"), of_kind("api-admin"))
def test_who_is_not_staff_has_no_admin_api(rows: Rows, bob: User, route: str, method: str) -> None:
    for client in (client_of(bob), browser_of(rows.user)):
        refused(send(client, method, route, rows), 403, "permission_denied")


@pytest.mark.parametrize(("route", "method"), of_kind("page-staff"))
def test_staff_without_the_permission_have_no_page_of_staff(rows: Rows, route: str, method: str) -> None:
    response = send(browser_of(make_user("carol", is_staff=True)), method, route, rows)
    assert response.status_code == 404
    assert rows.model.provider.key_env not in response.content.decode()


@pytest.mark.parametrize(("route", "method"), of_kind("api-admin"))
def test_staff_without_the_permission_have_no_admin_api(rows: Rows, route: str, method: str) -> None:
    carol = make_user("carol", is_staff=True)
    refused(send(client_of(carol), method, route, rows), 403, "permission_denied")


@pytest.mark.parametrize(("route", "method"), of_kind("admin", "admin-open"))
def test_who_is_not_staff_never_enters_the_administration(rows: Rows, route: str, method: str) -> None:
    for client in (Client(), signed_in(rows.user)):
        response = send(client, method, route, rows)
        assert response.status_code == 302
        target = response["Location"]
        assert target.startswith(reverse("admin:login")) or route == "admin/logout/"
        assert response.content == b""


@pytest.mark.parametrize(("route", "method"), of_kind("admin"))
def test_staff_without_the_permission_see_no_row(rows: Rows, route: str, method: str) -> None:
    response = send(signed_in(make_user("carol", is_staff=True)), method, route, rows)
    assert response.status_code == 403
    content = response.content.decode()
    assert WRITTEN not in content
    assert rows.user.email not in content


@pytest.mark.parametrize(("route", "method"), of_kind("admin-open"))
def test_what_all_staff_reach_shows_no_row(rows: Rows, route: str, method: str) -> None:
    response = send(signed_in(make_user("carol", is_staff=True)), method, route, rows)
    content = response.content.decode()
    assert WRITTEN not in content
    assert rows.user.email not in content
