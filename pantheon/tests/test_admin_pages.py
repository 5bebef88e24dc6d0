"""Every admin page: who may open it, what it never shows, and its number of queries."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import NoReverseMatch, reverse

from accounts.models import SetupLink, User
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser
from sessions.tests.support.admin_rows import WRITTEN, make_rows

__all__ = ["static_files_as_they_are"]

pytestmark = [pytest.mark.django_db, pytest.mark.walk]

OURS = ("accounts", "orchestration", "billing", "chat_sessions")
MODELS = sorted(
    (model for model in admin.site._registry if model._meta.app_label in OURS), key=lambda m: m.__name__
)
SEARCHED_BY_ID = [model for model in MODELS if getattr(admin.site._registry[model], "search_ids", ())]
HIDDEN = [(model, field) for model in MODELS for field in getattr(admin.site._registry[model], "hidden", ())]
MAX_QUERIES = 16
"""Queries of any changelist: session, user, two counts, the rows, and the choices of the filters."""


def pages_of(model):
    row = model._default_manager.first()
    of_row = [page(model, name, row.pk) for name in ("change", "delete", "history")]
    return [page(model, "changelist"), page(model, "add"), *of_row]


def test_all_models_are_in_it():
    ours = {model for label in OURS for model in apps.get_app_config(label).get_models()}
    left_out = ours - set(MODELS)
    assert {model.__name__ for model in left_out} == {
        *("RoomAgent", "SetupLink"),  # on the page of its room; one-time
        "ReadyRole",  # its group is
        "UsageTotal",  # daily usage once more
        *("File", "MessageFile"),  # what people write: names and contents are texts
        *("BudgetPeriod", "BudgetNotice", "Hold", "HoldLine"),  # shown on the pages of budgets
    }


@pytest.mark.parametrize("model", MODELS)
def test_list_and_row_open_for_a_superuser(model):
    make_rows()
    client = superuser()
    assert client.get(reverse("admin:index")).status_code == 200
    assert client.get(page(model, "changelist")).status_code == 200
    assert client.get(page(model, "change", model._default_manager.first().pk)).status_code == 200
    assert client.get(page(model, "changelist"), {"q": "ada"}).status_code == 200
    assert (
        client.get(page(model, "changelist"), {"q": str(model._default_manager.first().pk)}).status_code
        == 200
    )


@pytest.mark.parametrize("model", SEARCHED_BY_ID)
def test_search_by_id_finds_the_row(model):
    make_rows()
    make_rows("bob")
    row = model._default_manager.first()
    response = superuser().get(page(model, "changelist"), {"q": str(row.pk)})
    assert row in response.context["cl"].result_list


@pytest.mark.parametrize("model", MODELS)
def test_closed_for_everybody_who_is_not_staff(model):
    rows = make_rows()
    login = reverse("admin:login")
    for client in (Client(), signed_in(rows.user)):
        for url in pages_of(model):
            response = client.get(url)
            assert response.status_code == 302, url
            assert response["Location"].startswith(login), url


@pytest.mark.parametrize("model", MODELS)
def test_staff_see_what_they_have_a_permission_for(model):
    make_rows()
    staff = User.objects.create_user("carol@example.org", is_staff=True)
    assert signed_in(staff).get(page(model, "changelist")).status_code == 403
    staff.user_permissions.add(
        Permission.objects.get(
            content_type__app_label=model._meta.app_label, codename=f"view_{model._meta.model_name}"
        )
    )
    client = signed_in(User.objects.get(pk=staff.pk))
    assert client.get(page(model, "changelist")).status_code == 200
    assert client.get(page(model, "change", model._default_manager.first().pk)).status_code == 200
    assert client.get(page(model, "add")).status_code == 403


@pytest.mark.parametrize(("model", "field"), HIDDEN)
def test_no_query_string_spells_a_hidden_field(model, field):
    make_rows()
    client = superuser()
    for lookup in (f"{field}__startswith", f"{field}__contains", field):
        response = client.get(page(model, "changelist"), {lookup: WRITTEN})
        assert response.status_code == 400, lookup


@pytest.mark.parametrize("model", MODELS)
def test_a_list_asks_the_same_however_many_rows(model, django_assert_max_num_queries):
    make_rows()
    client = superuser()
    url = page(model, "changelist")
    client.get(url)  # fill the content type cache
    with django_assert_max_num_queries(MAX_QUERIES) as few:
        client.get(url)
    for name in ("bob", "charlie", "dora"):
        make_rows(name)
    with django_assert_max_num_queries(MAX_QUERIES) as many:
        client.get(url)
    assert len(many) == len(few)


def test_setup_links_have_no_page():
    with pytest.raises(NoReverseMatch):
        page(SetupLink, "changelist")
