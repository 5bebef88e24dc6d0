"""Every view of the whole URL map, and whom it lets in. A view or a method without an entry in `url_map` fails.

Signed out: 401 of the API, the sign-in page elsewhere. A stranger: 404 for what belongs to somebody else. Who is not
staff: nothing of the administration. Staff without the permission: no figure, no row.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse
from django.views.generic import RedirectView

from accounts.models import User
from accounts.tests.support.admin_site import signed_in, static_files_as_they_are
from accounts.tests.support.bodies import body_of
from accounts.tests.support.clients import browser_of, client_of, make_user, refused
from pantheon.tests.support.url_map import RETURNS_CONNECTIONS, ROUTES, TABLE, of_kind, send
from sessions.dispatch import use_dispatcher
from sessions.tests.support.admin_rows import WRITTEN, Rows, make_rows

__all__ = ["static_files_as_they_are"]

pytestmark = [
    pytest.mark.walk,
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),
]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def owned() -> list[Any]:
    """Return (route, method) of views on a user's own objects."""
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
    """Run no turns, do not wait for any, and disable rate limits."""
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
    """The refusals above come from access rights, not from a wrong URL."""
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
    content = body_of(response).decode()
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
