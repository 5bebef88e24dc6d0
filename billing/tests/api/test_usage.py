"""API: the user's own usage, and all usage for staff, with the figures of the pages."""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Team, User
from accounts.tests.support.admin_site import signed_in, static_files_as_they_are
from accounts.tests.support.bodies import body_of
from accounts.tests.support.clients import browser_of, client_of, make_user, refused
from billing.fields import usd_text
from billing.reports.report import GROUPS
from billing.tests.factories import USAGE_PICO, make_model
from billing.tests.support.daily import bill

__all__ = ["static_files_as_they_are"]

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous"),
]
ADMIN = ["/api/v1/admin/usage/summary", "/api/v1/admin/usage/export.csv"]
OWN = ["/api/v1/usage", "/api/v1/usage/summary"]


@pytest.fixture
def alice():
    return make_user("alice")


@pytest.fixture
def carol():
    """Staff who may see the ledger."""
    user = make_user("carol", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_usageevent"))
    return User.objects.get(pk=user.pk)


@pytest.fixture(autouse=True)
def usage(alice):
    model, legal, now = make_model(), Team.objects.create(name="Legal"), timezone.now()
    bill(model, alice, now, team=legal)
    bill(model, alice, now - dt.timedelta(days=2), team=legal, purpose="route", agent_id=None, agent_key="")
    bill(make_model("free", priced=False), make_user("bob"), now)


@pytest.mark.parametrize("path", ADMIN + OWN)
def test_signed_out_is_401(path):
    refused(Client().get(path), 401, "not_authenticated")


@pytest.mark.parametrize("path", ADMIN)
def test_only_staff_with_the_permission(path, alice, carol):
    refused(client_of(alice, "read", "chat").get(path), 403, "permission_denied")
    refused(browser_of(alice).get(path), 403, "permission_denied")
    refused(client_of(make_user("dora", is_staff=True)).get(path), 403, "permission_denied")
    assert client_of(carol).get(path).status_code == 200
    assert browser_of(carol).get(path).status_code == 200


@pytest.mark.parametrize("path", ADMIN)
def test_a_token_needs_the_scope(path, carol):
    error = refused(client_of(carol, "read").get(path), 403, "permission_denied")
    assert error["details"] == {"scope": "admin"}
    assert client_of(carol, "read", "admin").get(path).status_code == 200


@pytest.mark.parametrize("path", ADMIN + OWN)
def test_nothing_is_written_here(path, carol):
    refused(client_of(carol).post(path), 405, "method_not_allowed")


@pytest.mark.parametrize("path", [ADMIN[0], ADMIN[1], OWN[1]])
@pytest.mark.parametrize(
    ("name", "text"),
    [("from", "soon"), ("to", "2026-02-30"), ("group_by", "colour"), ("purpose", "chat"), ("room", "\x00")],
)
def test_what_cannot_be_read_is_400(path, name, text, carol):
    error = refused(client_of(carol).get(path, {name: text}), 400, "invalid_parameter")
    assert error["details"] == {"parameter": name}


@pytest.mark.parametrize("group", GROUPS)
def test_the_same_numbers_as_the_page(group, carol):
    query = {"range": "30d", "group_by": group}
    body = client_of(carol).get(ADMIN[0], query).json()
    page = signed_in(carol).get(reverse("costs"), query).context
    assert body["totals"]["cost_usd"] == page["now"].cost.exact == usd_text(2 * USAGE_PICO)
    assert body["totals"]["calls"] == page["now"].sums.calls == 3
    assert body["totals"]["unpriced_calls"] == page["now"].sums.unpriced_calls == 1
    assert body["before"]["totals"]["calls"] == page["before"].sums.calls
    assert body["projected_month"]["projected_cost_usd"] == page["projected"].exact
    listing = next(listing for listing in page["listings"] if listing.group == group)
    assert [(row["key"], row["label"], row["cost_usd"] or "", row["calls"]) for row in body["rows"]] == [
        (
            line.key,
            line.key if group == "day" else line.label,
            line.figures.cost.exact,
            line.figures.sums.calls,
        )
        for line in listing.lines
    ]
    assert sum(Decimal(row["cost_usd"] or 0) for row in body["rows"]) == Decimal(body["totals"]["cost_usd"])


def test_the_shape_of_a_summary(carol):
    body = client_of(carol).get(ADMIN[0], {"group_by": "purpose", "user": "alice@example.com"}).json()
    assert body["totals"] == {
        "calls": 2,
        "input_tokens": 360,
        "cached_tokens": 100,
        "cache_write_tokens": 60,
        "output_tokens": 60,
        "reasoning_tokens": 10,
        "cost_usd": usd_text(2 * USAGE_PICO),
        "estimated_cost_usd": "0.00",
        "corrected_cost_usd": "0.00",
        "orchestration_cost_usd": usd_text(USAGE_PICO),
        "unpriced_calls": 0,
        "cached_share": "0.2778",
        "orchestration_share": "0.5000",
    }
    assert [row["key"] for row in body["rows"]] == ["reply", "route"]


def test_a_row_leads_to_its_filter(carol):
    client = client_of(carol)
    for group in GROUPS[1:]:
        for row in client.get(ADMIN[0], {"group_by": group}).json()["rows"]:
            narrowed = client.get(ADMIN[0], {group: row["key"]}).json()
            assert narrowed["totals"]["calls"] == row["calls"], (group, row)


def test_unpriced_is_null_and_never_zero(carol):
    body = client_of(carol).get(ADMIN[0], {"model": "free"}).json()
    assert body["totals"]["cost_usd"] is None
    assert body["totals"]["unpriced_calls"] == 1


def test_days_are_both_included(carol):
    today = timezone.now().astimezone(dt.UTC).date()
    body = client_of(carol).get(ADMIN[0], {"from": str(today), "to": str(today)}).json()
    assert [row["key"] for row in body["rows"]] == [str(today)]
    assert body["totals"]["calls"] == 2


def test_the_events_as_csv(carol):
    response = client_of(carol).get(ADMIN[1], {"user": "alice@example.com"})
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(body_of(response).decode())))
    assert [row["purpose"] for row in rows] == ["reply", "route"]


def test_my_calls_newest_first(alice):
    body = client_of(alice).get(OWN[0]).json()
    assert [event["purpose"] for event in body["results"]] == ["reply", "route"]
    event = body["results"][0]
    assert event["cost_usd"] == usd_text(USAGE_PICO)
    assert (event["model"], event["agent_key"], event["room_name"]) == ("test-model", "ana", "Board")
    assert event["usage"]["input_tokens"] == 180
    page = client_of(alice).get(OWN[0], {"limit": 1}).json()
    assert len(page["results"]) == 1
    assert page["next"]


def test_my_summary_is_mine_alone(alice, carol):
    for user in (alice, carol):
        body = client_of(user, "read").get(OWN[1]).json()
        assert body["totals"]["calls"] == (2 if user == alice else 0)
    error = refused(client_of(carol).get(OWN[1], {"user": str(alice.pk)}), 400, "invalid_parameter")
    assert error["details"] == {"parameter": "user"}
    refused(client_of(carol).get(OWN[1], {"team": "Legal"}), 400, "invalid_parameter")
    rows = client_of(alice).get(OWN[1], {"group_by": "model"}).json()["rows"]
    assert [row["label"] for row in rows] == ["test-model"]


def test_filters_on_others_are_refused_alike_whether_they_exist_or_not(alice):
    client = client_of(alice, "read")
    for name, texts in (("user", ("carol@example.com", "nobody@example.com")), ("team", ("Red", "No team"))):
        known, unknown = (
            refused(client.get(OWN[1], {name: text}), 400, "invalid_parameter") for text in texts
        )
        assert (
            known["message"] == unknown["message"] == f"This is your own usage: remove the {name} parameter."
        )
    assert client.get(OWN[1], {"user": alice.email}).status_code == 200


def test_a_disabled_model_that_i_never_used_is_as_good_as_unknown(alice):
    model = make_model("quiet-model")
    type(model).objects.filter(pk=model.pk).update(enabled=False)
    client = client_of(alice, "read")
    refusals = [
        refused(client.get(OWN[1], {"model": text}), 400, "invalid_parameter")["message"]
        for text in ("quiet-model", "no-such-model", str(model.pk))
    ]
    assert refusals == ["model is invalid."] * 3
