"""What people and models wrote is behind no door of the administration, also not where nobody thinks of one.

Every field of the conversations' tables that may hold a text is filled with a word of its own; then every page of
every model, every autocomplete, report and file is opened, by an administrator and by staff who may see everything.
A field that is added later is filled too: it stays hidden, or is named here as structure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.db import models
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.models import ApiToken, AuditEntry, Invitation, SetupLink, User
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are
from accounts.tests.support.bodies import body_of
from pantheon.tests.support.url_map import of_kind, path_of
from sessions.models import Call
from sessions.tests.support.admin_rows import Rows, make_rows

__all__ = ["static_files_as_they_are"]

pytestmark = [
    pytest.mark.walk,
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),
]

STRUCTURE = {
    "Room": {"name"},
    "Agent": {"key", "name"},
    "Message": {"agent_key", "agent_name", "model", "purpose"},
    "File": {"media_type"},
    "Call": {
        *("agent_key", "agent_name", "slot", "purpose", "model_served", "provider_request_id"),
        *("usage", "context"),
    },
    "Summary": {"fallback_reason"},
    "Turn": {"stop_reason"},
}
"""Names, ids and figures, which staff may see because the ledger has them too. All other fields are texts.

Of a call's error, staff see our sentence and the provider's text, both without quotations of the conversation.
"""

SECRETS = ((ApiToken, "digest"), (Invitation, "digest"), (SetupLink, "digest"), (User, "password"))
TEXTS = (models.CharField, models.TextField, models.JSONField)
PUBLIC = ("accounts", "auth", "billing", "chat_sessions", "orchestration")


def written_fields() -> list[tuple[type[models.Model], str]]:
    """Return every field with a text or a secret."""
    found = [
        (model, field.name)
        for model in apps.get_app_config("chat_sessions").get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, TEXTS)
        and not field.choices
        and field.name not in STRUCTURE.get(model.__name__, set())
    ]
    return [*found, *SECRETS]


WRITTEN = written_fields()


COMMON = "canary"


def word_of(model: type[models.Model], field: str) -> str:
    return f"{COMMON}-{model.__name__}-{field}".lower()


WORDS = [word_of(model, field) for model, field in WRITTEN]


@pytest.fixture
def rows(settings: Any) -> Rows:
    settings.PANTHEON_STAFF_READ_MESSAGES = False
    Group.objects.create(name="auditors")
    rows = make_rows()
    for model, name in WRITTEN:
        field, word = model._meta.get_field(name), word_of(model, name)
        value: Any = word
        if isinstance(field, models.JSONField):
            kind = type(getattr(model._default_manager.first(), name))
            value = [word] if kind is list else {"code": "provider_error", "message": word, "goal": word}
            if model is Call and name == "error":
                value |= {"message": "The provider is overloaded.", "provider_text": "HTTP 529"}
        model._default_manager.update(**{name: value})
    return rows


@pytest.fixture(params=["administrator", "staff"])
def browser(request: pytest.FixtureRequest, rows: Rows) -> Client:
    """Return a browser signed in as an administrator, or as staff with all permissions."""
    if request.param == "administrator":
        return signed_in(User.objects.create_superuser("root@example.org"))
    staff = User.objects.create_user("carol@example.org", is_staff=True)
    staff.user_permissions.set(Permission.objects.all())
    return signed_in(staff)


def content_of(response: Any) -> str:
    body = body_of(response)
    return f"{body.decode()} {response.headers}".lower()


def assert_no_word(response: Any, what: object) -> None:
    found = [word for word in WORDS if word in content_of(response)]
    assert not found, f"{found} in {what}"


def registered() -> Iterator[tuple[type[models.Model], admin.ModelAdmin]]:
    yield from admin.site._registry.items()


def request_of(browser: Client) -> Any:
    request = RequestFactory().get("/")
    request.user = User.objects.get(pk=browser.session["_auth_user_id"])
    return request


def filter_queries(model_admin: Any, request: Any) -> Iterator[str]:
    """Yield a query string for the last choice of each filter. Every page shows all choices."""
    changelist = model_admin.get_changelist_instance(request)
    for each in changelist.filter_specs:
        *_, choice = each.choices(changelist)
        yield choice.get("query_string") or "?"


def test_the_canaries_are_in_the_rows(rows: Rows) -> None:
    """Without this, the tests below could not fail."""
    for model, name in WRITTEN:
        row = model._default_manager.first()
        assert row is not None, model
        assert word_of(model, name) in str(getattr(row, name)), name
    assert {
        "canary-chatsession-title",
        "canary-agent-role_prompt",
        "canary-room-goal",
        "canary-message-text",
    } < {*WORDS}


def test_no_row_is_called_by_what_somebody_wrote(rows: Rows) -> None:
    for label in PUBLIC:
        for model in apps.get_app_config(label).get_models():
            for row in model._default_manager.all():
                name = f"{row} {row!r}".lower()
                assert not any(word in name for word in WORDS), model


def test_no_page_of_a_table_shows_a_text(browser: Client) -> None:
    request = request_of(browser)
    for model, model_admin in registered():
        lists = page(model, "changelist")
        for query in ("?", "?_popup=1", *filter_queries(model_admin, request)):
            assert_no_word(browser.get(lists + query), lists + query)
        assert_no_word(browser.get(page(model, "add")), page(model, "add"))
        for row in model._default_manager.all()[:2]:
            for name in ("change", "history", "delete"):
                url = page(model, name, row.pk)
                response = browser.get(url)
                assert response.status_code in (200, 403), url
                assert_no_word(response, url)


def test_no_page_for_many_rows_shows_a_text(browser: Client) -> None:
    """The delete confirmation, with related objects, and the messages of all other actions."""
    request = request_of(browser)
    for model, model_admin in registered():
        chosen = [str(pk) for pk in model._default_manager.values_list("pk", flat=True)]
        for action in model_admin.get_actions(request):
            for post in ({}, {"post": "yes"}):
                form = {"action": action, "_selected_action": chosen, **post}
                response = browser.post(page(model, "changelist"), form, follow=True)
                assert_no_word(response, (model, action))
    assert_nothing_is_logged()


def test_no_row_that_is_saved_or_deleted_leaves_a_text_in_a_log(browser: Client) -> None:
    for model, _ in registered():
        for row in model._default_manager.all():
            for name in ("delete", "change"):
                response = browser.post(page(model, name, row.pk), {"post": "yes", "name": "x"}, follow=True)
                assert_no_word(response, (model, name))
    assert_no_word(browser.get(reverse("admin:index")), "recent actions")
    assert_nothing_is_logged()


def assert_nothing_is_logged() -> None:
    said: list[tuple[object, ...]] = [*LogEntry.objects.values_list("object_repr", "change_message")]
    said += [*AuditEntry.objects.values_list("object_label", "before", "after")]
    assert not [line for line in said if any(word in str(line).lower() for word in WORDS)]


def test_no_autocomplete_shows_or_finds_a_text(browser: Client) -> None:
    """Query every relation of every table: all rows, and those matching the marker word."""
    asked = 0
    for label in PUBLIC:
        for model in apps.get_app_config(label).get_models():
            for field in model._meta.get_fields():
                if not isinstance(field, models.ForeignKey | models.ManyToManyField):
                    continue
                where = {
                    "app_label": label,
                    "model_name": str(model._meta.model_name),
                    "field_name": field.name,
                }
                for term in ("", COMMON):
                    response = browser.get(reverse("admin:autocomplete"), {**where, "term": term})
                    assert response.status_code in (200, 403), where
                    assert_no_word(response, where)
                    if response.status_code == 403:
                        break
                    asked += 1
                    assert not term or response.json()["results"] == [], where
    assert asked


def test_no_search_finds_a_text(browser: Client) -> None:
    for model, model_admin in registered():
        if not model_admin.get_search_fields(request_of(browser)):
            continue
        response = browser.get(page(model, "changelist"), {"q": COMMON})
        assert response.context["cl"].result_count == 0, model


def ways_to(model: type[models.Model], depth: int = 2) -> Iterator[str]:
    """Yield the lookups from a table to text fields, across relations."""
    for owner, name in WRITTEN:
        if owner is model:
            yield name
    if not depth:
        return
    for field in model._meta.get_fields():
        if field.is_relation and field.related_model is not None:
            yield from (f"{field.name}__{rest}" for rest in ways_to(field.related_model, depth - 1))


@pytest.mark.parametrize("model", [model for model, _ in registered()])
def test_no_filter_order_or_target_spells_a_text(rows: Rows, model: type[models.Model]) -> None:
    """A changelist that filtered by `?text__startswith=a` would reveal the text letter by letter.

    `lookup_allowed` and `to_field_allowed` are what Django asks for each name in a query string.
    """
    model_admin = admin.site._registry[model]
    request = request_of(signed_in(User.objects.create_superuser("root@example.org")))
    for way in ways_to(model):
        for lookup in (f"{way}__startswith", f"{way}__isnull", way):
            assert not model_admin.lookup_allowed(lookup, "c", request), lookup
        assert not model_admin.to_field_allowed(request, way), way
    named = {
        *(str(each) for each in model_admin.list_display),
        *(str(each).lstrip("-") for each in (*(model_admin.ordering or ()), *(model._meta.ordering or ()))),
        *(each.lstrip("=^@") for each in model_admin.search_fields),
        *(each for each in model_admin.list_filter if isinstance(each, str)),
    }
    spelled = {way for way in ways_to(model) if any(f"{name}__".startswith(f"{way}__") for name in named)}
    assert spelled == set()


@pytest.mark.parametrize(
    "route", [route for route, method in of_kind("admin", "admin-open") if method == "GET"]
)
def test_no_report_and_no_file_shows_a_text(rows: Rows, route: str) -> None:
    browser = signed_in(User.objects.create_superuser("root@example.org"))
    assert_no_word(browser.get(path_of(route, rows)), route)


@pytest.mark.parametrize("route", [route for route, method in of_kind("api-admin") if method == "GET"])
def test_no_answer_of_the_api_for_staff_has_a_text(rows: Rows, route: str) -> None:
    browser = signed_in(User.objects.create_superuser("root@example.org"))
    assert_no_word(browser.get(path_of(route, rows)), route)
