"""Links between admin pages, and changelists that stay fast over millions of rows."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import ApiToken, AuditEntry, Invitation, Team, User
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser
from billing.models import Budget, DailyUsage, UsageEvent
from sessions.models import Call, ChatSession, Message, Room, Turn
from sessions.tests.support.admin_rows import make_rows
from web.admin.links import LinkedAdmin

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db

REGISTERED = admin.site._registry
LINKED = sorted(
    (model for model, site in REGISTERED.items() if isinstance(site, LinkedAdmin)),
    key=lambda model: model.__name__,
)
MILLIONS = (UsageEvent, DailyUsage, Turn, Call, Message)


def links_of(client, row):
    """Return text -> URL of the links on a row's page."""
    response = client.get(page(type(row), "change", row.pk))
    assert response.status_code == 200
    return {link.text: link.url for link in response.context["links"]}


@pytest.mark.parametrize("model", LINKED)
def test_every_way_leads_somewhere(model):
    make_rows()
    client = superuser()
    for row in model._default_manager.all():
        links = links_of(client, row)
        assert links
        for text, url in links.items():
            assert client.get(url).status_code == 200, text


def shown(client, url):
    return list(client.get(url).context["cl"].result_list)


def test_around_a_turn():
    rows = make_rows()
    make_rows("bob")
    client = superuser()
    of_turn = links_of(client, rows.turn)
    assert shown(client, of_turn["Calls (ledger)"]) == [rows.event]
    assert shown(client, of_turn["Calls"]) == [rows.call]
    assert rows.message in shown(client, of_turn["Messages"])
    body = client.get(page(Turn, "change", rows.turn.pk)).content.decode()
    for around in (rows.user, rows.session, rows.room):
        assert page(type(around), "change", around.pk) in body
    body = client.get(page(UsageEvent, "change", rows.event.pk)).content.decode()
    for row in (rows.turn, rows.user, rows.team, rows.room, rows.session, rows.model, rows.price):
        assert page(type(row), "change", row.pk) in body
    assert links_of(client, rows.event)["Call"] == page(Call, "change", rows.call.pk)
    assert links_of(client, rows.call)["Ledger call"] == page(UsageEvent, "change", rows.event.pk)


def test_around_a_person():
    rows = make_rows()
    make_rows("bob")
    client = superuser()
    links = links_of(client, rows.user)
    assert shown(client, links["Turns"]) == [rows.turn]
    assert shown(client, links["Calls (ledger)"]) == [rows.event]
    assert shown(client, links["API tokens"]) == [rows.token]
    assert [budget.target_id for budget in shown(client, links["Budgets"])] == [rows.user.pk]
    assert client.get(links["Costs"]).context["query"].filters.user == rows.user.pk
    budget = Budget.objects.get(scope="user", target_id=rows.user.pk)
    assert links_of(client, budget)["User"] == page(User, "change", rows.user.pk)


def test_a_room_leads_to_a_new_budget_while_it_is_there():
    rows = make_rows()
    client = superuser()
    response = client.get(links_of(client, rows.room)["Set budget"])
    assert str(rows.room.pk) in response.content.decode()
    Room.objects.filter(pk=rows.room.pk).update(deleted_at=timezone.now())
    assert "Set budget" not in links_of(client, rows.room)


def test_nobody_is_led_where_they_may_not_go():
    rows = make_rows()
    staff = User.objects.create_user("carol@example.org", is_staff=True)
    for name in ("view_turn", "view_call"):
        staff.user_permissions.add(Permission.objects.get(codename=name))
    client = signed_in(User.objects.get(pk=staff.pk))
    assert set(links_of(client, rows.turn)) == {"Calls", "Turns of this session"}


def test_the_audit_log_leads_to_what_it_speaks_of():
    rows = make_rows()
    gone = uuid.uuid4()
    AuditEntry.objects.create(
        action="add", object_type="accounts.Nothing", object_id=str(gone), object_label="gone"
    )
    body = superuser().get(page(AuditEntry, "changelist")).content.decode()
    assert page(Team, "change", rows.team.pk) in body
    assert "gone" in body


def leading(model):
    """Return the leading columns of each index."""
    indexed = {
        field.name for field in model._meta.fields if field.primary_key or field.db_index or field.unique
    }
    indexed |= {index.fields[0].lstrip("-") for index in model._meta.indexes if not index.condition}
    unique = [each for each in model._meta.constraints if isinstance(each, models.UniqueConstraint)]
    indexed |= {each.fields[0] for each in unique if each.condition is None}
    return {name for field in indexed for name in (field, f"{field}_id")}


@pytest.mark.parametrize("model", MILLIONS)
def test_a_list_of_millions_is_read_and_searched_by_indexes(model):
    site = REGISTERED[model]
    ordering = str((site.ordering or model._meta.ordering)[0])
    assert ordering.lstrip("-") in leading(model)
    assert set(getattr(site, "search_ids", ())) <= leading(model)
    assert site.show_facets is admin.ShowFacets.NEVER
    assert site.date_hierarchy is None


@pytest.mark.parametrize("model", MILLIONS)
def test_the_filters_of_a_list_of_millions_know_their_choices(model):
    make_rows()
    specs = superuser().get(page(model, "changelist")).context["cl"].filter_specs
    assert specs
    assert not [spec.title for spec in specs if isinstance(spec, admin.AllValuesFieldListFilter)]


def test_daily_usage_is_filtered_by_purpose():
    rows = make_rows()
    url = page(DailyUsage, "changelist")
    client = superuser()
    assert shown(client, f"{url}?purpose=reply") == [rows.day]
    assert shown(client, f"{url}?purpose=route") == []


@pytest.mark.parametrize("model", MILLIONS)
def test_a_list_of_millions_counts_no_further_than_its_pages_go(model):
    make_rows()
    client = superuser()
    with CaptureQueriesContext(connection) as asked:
        client.get(page(model, "changelist"))
    table = model._meta.db_table
    counts = [
        each["sql"] for each in asked if each["sql"].startswith("SELECT COUNT") and table in each["sql"]
    ]
    assert counts
    assert all("LIMIT 10000" in sql for sql in counts)


def test_a_providers_request_id_is_looked_for_in_the_last_days_only():
    rows = make_rows()
    Call.objects.update(provider_request_id="req_1")
    client = superuser()
    url = page(Call, "changelist")
    assert shown(client, f"{url}?q=req_1") == [rows.call]
    Call.objects.update(started_at=timezone.now() - dt.timedelta(days=40))
    assert shown(client, f"{url}?q=req_1") == []
    assert shown(client, f"{url}?q={rows.call.pk}") == [rows.call]


@pytest.mark.parametrize("model", [User, Invitation, Budget])
def test_many_are_completed_as_one_types(model):
    assert "admin-autocomplete" in superuser().get(page(model, "add")).content.decode()


def test_a_session_says_how_many_turns_it_has():
    rows = make_rows()
    assert shown(superuser(), page(ChatSession, "changelist"))[0].turns_made == 1
    assert rows.turn.session_id == rows.session.pk


def test_an_empty_list_says_so():
    client = superuser()
    assert "Nothing here" in client.get(page(Turn, "changelist")).content.decode()
    found = client.get(page(Turn, "changelist"), {"q": "nobody"}).content.decode()
    assert "Nothing matches." in found


def test_the_index_groups_the_pages_by_what_they_are_about():
    groups = superuser().get(reverse("admin:index")).context["app_list"]
    assert [group["name"] for group in groups] == ["Billing", "People", "Conversations", "Models", "Audit"]
    assert "Costs" in [entry["name"] for entry in groups[0]["models"]]


def test_the_index_shows_staff_what_they_may_see():
    staff = User.objects.create_user("carol@example.org", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_turn"))
    groups = signed_in(User.objects.get(pk=staff.pk)).get(reverse("admin:index")).context["app_list"]
    assert [(group["name"], [each["name"] for each in group["models"]]) for group in groups] == [
        ("Conversations", ["Turns"])
    ]


def test_moments_are_written_in_one_style():
    rows = make_rows()
    moment = dt.datetime(2026, 11, 26, 9, 2, tzinfo=dt.UTC)
    ApiToken.objects.filter(pk=rows.token.pk).update(created_at=moment)
    body = superuser().get(page(ApiToken, "change", rows.token.pk)).content.decode()
    assert "Nov 26, 2026, 9:02 AM" in body


def test_models_and_agents_lead_to_what_they_cost():
    rows = make_rows()
    client = superuser()
    for row in (rows.model, rows.agent):
        assert shown(client, links_of(client, row)["Calls (ledger)"]) == [rows.event]
        assert client.get(links_of(client, row)["Costs"]).status_code == 200
