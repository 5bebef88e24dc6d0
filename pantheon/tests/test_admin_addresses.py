"""No address of the administration, however it is made up, is an error of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.models import User
from accounts.tests.support.admin_site import page, static_files_as_they_are, superuser
from pantheon.tests.support.url_map import of_kind, path_of
from sessions.tests.support.admin_rows import Rows, make_rows
from web.admin.readonly import OwnLookupsAdmin

__all__ = ["static_files_as_they_are"]

pytestmark = [pytest.mark.django_db, pytest.mark.walk]

NUL = "\x00"
CONTROLS = (NUL, "a\x00", "\x01", "\x1f", "\x7f")
OF_LISTS = ("q", "p", "o", "all", "e", "_to_field", "_popup", "_facets", "_changelist_filters")
OF_REPORTS = ("range", "from", "to", "group_by", "user", "team", "room", "model", "months", "before", "days")
MODELS = sorted(admin.site._registry, key=lambda model: model.__name__)


@pytest.fixture
def rows() -> Rows:
    return make_rows()


def parameters_of(model: type[Model], client: Client) -> set[str]:
    """Return the parameters that a list of a model reads: its own, those of its filters, and its columns."""
    site: Any = admin.site._registry[model]
    request = RequestFactory().get("/")
    request.user = User.objects.get(pk=client.session["_auth_user_id"])
    names = set(OF_LISTS) | {field.name for field in model._meta.concrete_fields}
    for spec in site.get_changelist_instance(request).filter_specs:
        names.update(spec.expected_parameters())
    if site.date_hierarchy:
        names.update(f"{site.date_hierarchy}__{part}" for part in ("year", "month", "day"))
    return names


def staff_paths(rows: Rows) -> Iterator[str]:
    for route, method in of_kind("admin", "admin-open"):
        if method == "GET":
            yield path_of(route, rows)


@pytest.mark.parametrize("model", MODELS)
def test_no_filter_of_a_list_takes_a_control_character(model: type[Model], rows: Rows) -> None:
    client = superuser()
    lists = page(model, "changelist")
    for name in parameters_of(model, client):
        assert client.get(f"{lists}?{urlencode({name: NUL})}").status_code == 400, name
        assert client.get(f"{lists}?{urlencode({name + NUL: 1})}").status_code == 400, name
    for text in CONTROLS:
        assert client.get(f"{lists}?{urlencode({'q': text})}").status_code == 400, text


def test_no_page_takes_a_control_character(rows: Rows) -> None:
    client = superuser()
    for path in staff_paths(rows):
        for name in (*OF_REPORTS, "term", "app_label", "model_name", "field_name", "object_id"):
            response = client.get(f"{path}?{urlencode({name: NUL})}")
            assert response.status_code < 500, (path, name)


@pytest.mark.parametrize("model", MODELS)
def test_no_path_takes_a_control_character(model: type[Model], rows: Rows) -> None:
    client = superuser()
    for name in ("change", "delete", "history"):
        for text in CONTROLS:
            response = client.get(page(model, name, text))
            assert 300 <= response.status_code < 500, (name, text)


@pytest.mark.parametrize("model", MODELS)
def test_an_action_on_rows_that_cannot_exist_is_refused(model: type[Model], rows: Rows) -> None:
    client = superuser()
    lists = page(model, "changelist")
    request = RequestFactory().get("/")
    request.user = User.objects.get(pk=client.session["_auth_user_id"])
    for action in admin.site._registry[model].get_actions(request):
        for chosen in ("\x00", "x", "9" * 40):
            form = {"action": action, "_selected_action": chosen, "post": "yes"}
            assert client.post(lists, form).status_code < 500, form


def test_no_action_has_a_name_with_a_control_character(rows: Rows) -> None:
    form = {"action": "\x00", "_selected_action": rows.user.pk, "index": "\x00", "select_across": "\x00"}
    assert superuser().post(page(User, "changelist"), form).status_code < 500


def test_a_pasted_line_end_is_searched_for(rows: Rows) -> None:
    assert superuser().get(page(User, "changelist"), {"q": "ada\tlovelace\r\n"}).status_code == 200


def test_the_login_page_takes_no_control_character_either() -> None:
    for name in ("next", "q"):
        assert Client().get(reverse("admin:login"), {name: "\x00"}).status_code < 500


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_no_list_is_filtered_by_what_its_columns_compute(model: type[Model]) -> None:
    site: Any = admin.site._registry[model]
    request = RequestFactory().get("/")
    request.user = User.objects.create_superuser("root@example.org")
    computed = site.get_queryset(request).query.annotations
    if isinstance(site, OwnLookupsAdmin):
        assert not [name for name in computed if site.lookup_allowed(f"{name}__gt", "1", request)]
    else:
        assert not [name for name in computed if not name.endswith("count") and name != "members"]
