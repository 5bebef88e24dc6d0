"""*Costs* in the administration: permissions, figures, links and CSV files."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import uuid
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Team, User
from accounts.tests.support.admin_site import signed_in, static_files_as_they_are, superuser
from accounts.tests.support.bodies import body_of
from accounts.tests.support.clients import make_user
from accounts.tests.support.html import html_of
from billing.fields import usd_text
from billing.models import UsageEvent
from billing.reports.export import cell
from billing.tests.factories import USAGE_PICO, make_model, report
from billing.tests.support.budgets import make_budget, spend
from billing.tests.support.daily import bill

__all__ = ["static_files_as_they_are"]

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous"),
]
COSTS = reverse("costs")
PAGES = [
    reverse(name) for name in ("costs", "costs-csv", "costs-events-csv", "costs-teams", "costs-teams-csv")
]
MAX_QUERIES = 19
"""Session and user, the form's choices, the figures, the budgets, and the labels."""


def hours_ago(hours: int) -> dt.datetime:
    return timezone.now() - dt.timedelta(hours=hours)


def text_of(response):
    if response["Content-Type"].startswith("text/html"):
        return html_of(response)
    return body_of(response).decode("utf-8-sig")


def rows_of(response):
    return list(csv.DictReader(io.StringIO(text_of(response))))


@pytest.fixture
def usage():
    """Two calls of Alice for Legal, one of them routing, and an unpriced one of Bob's."""
    model = make_model()
    legal = Team.objects.create(name="Legal")
    alice = make_user("alice")
    bill(model, alice, hours_ago(0), team=legal, purpose="reply")
    bill(model, alice, hours_ago(30), team=legal, purpose="route", agent_id=None, agent_key="")
    bill(make_model("free", priced=False), make_user("bob"), hours_ago(31))


@pytest.mark.parametrize("url", PAGES)
def test_staff_with_the_permission_may_look(url):
    carol = User.objects.create_user("carol@example.org", is_staff=True)
    assert signed_in(carol).get(url).status_code == 403
    carol.user_permissions.add(Permission.objects.get(codename="view_usageevent"))
    assert signed_in(User.objects.get(pk=carol.pk)).get(url).status_code == 200
    assert superuser().get(url).status_code == 200


@pytest.mark.parametrize("url", PAGES)
def test_everybody_else_is_asked_to_sign_in(url):
    for client in (Client(), signed_in(make_user("alice"))):
        response = client.get(url)
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("admin:login"))


def test_the_index_links_to_it_for_users_with_the_permission():
    assert f'href="{COSTS}"' in text_of(superuser().get(reverse("admin:index")))
    dora = User.objects.create_user("dora@example.org", is_staff=True)
    assert COSTS not in text_of(signed_in(dora).get(reverse("admin:index")))


def test_nothing_to_show_is_a_page_too():
    page = text_of(superuser().get(COSTS))
    assert "no cost" in page
    assert "No calls in this period." in page


def test_the_figures(usage):
    response = superuser().get(COSTS)
    now = response.context["now"]
    assert now.sums.cost_pico == 2 * USAGE_PICO
    assert (now.sums.calls, now.sums.unpriced_calls) == (3, 1)
    assert now.orchestration_percent == "50%"
    page = text_of(response)
    assert "1 call has no price and is excluded" in page
    assert "alice@example.com" in page
    assert response.context["changes"]["cost"] == "no earlier data"
    assert "÷" in page


def test_an_unpriced_model_costs_nothing_known(usage):
    listings = {listing.group: listing for listing in superuser().get(COSTS).context["listings"]}
    costs = {line.label: line.figures.cost.text for line in listings["model"].lines}
    assert costs["free"] == "unpriced"


def test_nothing_in_it_needs_a_script_or_an_inline_style(usage):
    response = superuser().get(COSTS)
    page = text_of(response)
    assert not re.search(r"\sstyle=|<style|\son\w+=|<script(?![^>]*\ssrc=)", page)
    assert "'unsafe" not in response["Content-Security-Policy"]


def test_the_drawing_is_also_text(usage):
    page = text_of(superuser().get(COSTS))
    assert 'role="img"' in page
    assert page.count("<rect") >= 2
    assert "Show as table" in page


@pytest.mark.parametrize(
    "group", ["day", "team", "user", "model", "provider", "room", "agent", "mode", "purpose"]
)
def test_every_row_leads_to_its_events(usage, group):
    client = superuser()
    listing = next(
        one for one in client.get(COSTS, {"group_by": group}).context["listings"] if one.group == group
    )
    assert listing.lines
    for line in listing.lines:
        response = client.get(line.events)
        assert response.status_code == 200
        assert len(response.context["cl"].result_list) == line.figures.sums.calls
        narrowed = client.get(f"{COSTS}{line.narrow}")
        assert narrowed.context["now"].sums == line.figures.sums


def test_from_an_event_to_its_turn(usage):
    client = superuser()
    event = UsageEvent.objects.first()
    assert event is not None
    turn = reverse("admin:chat_sessions_turn_change", args=[event.turn_id])
    listed = client.get(client.get(COSTS).context["all_events"])
    assert turn in text_of(listed)


def test_filters_narrow_and_can_be_removed(usage):
    client = superuser()
    response = client.get(COSTS, {"user": "alice@example.com", "purpose": "route"})
    assert response.context["now"].sums.calls == 1
    assert [chip.label for chip in response.context["chips"]] == ["alice@example.com", "Routing"]
    without = response.context["chips"][1].without
    assert client.get(f"{COSTS}{without}").context["now"].sums.calls == 2


@pytest.mark.parametrize(
    "query",
    [
        {"range": "custom", "from": "soon"},
        {"range": "custom", "from": "2026-11-22", "to": "2026-11-01"},
        {"range": "forever"},
        {"group_by": "colour"},
        {"user": "nobody@example.com"},
        {"team": "'; --"},
        {"purpose": "<script>"},
        {"from": "9999-99-99"},
    ],
)
def test_invalid_parameters_are_reported_and_ignored(usage, query):
    response = superuser().get(COSTS, query)
    assert response.status_code == 200
    assert len(response.context["wrong"]) == 1
    assert response.context["now"].sums.calls == 3


def test_names_are_escaped():
    bill(make_model(), make_user("alice"), hours_ago(0), room_name="<script>alert(1)</script>")
    page = text_of(superuser().get(COSTS))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_more_usage_asks_no_more_queries(usage):
    client = superuser()
    for url in (COSTS, reverse("costs-csv"), reverse("costs-teams")):
        with CaptureQueriesContext(connection) as few:
            client.get(url)
        for number in range(5):
            name = uuid.uuid4().hex
            bill(make_model(name), make_user(name), hours_ago(number), room_id=uuid.uuid4())
        with CaptureQueriesContext(connection) as many:
            client.get(url)
        assert len(many) == len(few) <= MAX_QUERIES


def test_the_file_is_what_the_page_shows(usage):
    client = superuser()
    page = client.get(COSTS, {"group_by": "user"})
    rows = rows_of(client.get(reverse("costs-csv"), {"group_by": "user"}))
    assert rows[0]["table"] == "total"
    assert rows[0]["cost_usd"] == page.context["now"].cost.exact
    for listing in page.context["listings"]:
        found = [
            (row["name"], row["cost_usd"], row["calls"]) for row in rows if row["table"] == listing.group
        ]
        shown = [
            (line.label, line.figures.cost.exact, str(line.figures.sums.calls)) for line in listing.lines
        ]
        assert [(name.removeprefix("'"), cost, calls) for name, cost, calls in found] == shown


def test_the_file_has_every_figure_of_the_page(usage):
    spend(make_budget(usd=10), 250, held_cents=50)
    client = superuser()
    context = client.get(COSTS).context
    rows = {row["table"]: row for row in rows_of(client.get(reverse("costs-csv")))}
    total, now = rows["total"], context["now"]
    for column, shown in {
        "fresh_input_tokens": now.sums.input_tokens,
        "cache_write_5m_tokens": now.sums.cache_write_5m_tokens,
        "cache_write_1h_tokens": now.sums.cache_write_1h_tokens,
        "reasoning_tokens": now.sums.reasoning_tokens,
        "cached_share": now.cached_percent,
        "orchestration_share": now.orchestration_percent,
        **{f"{name}_change": change for name, change in context["changes"].items()},
    }.items():
        assert total[column] == str(shown) != "", column
    assert rows["range before"]["cached_share"] == context["before"].cached_percent
    assert rows["projected month"]["note"] == context["formula"]
    budget, meter = rows["budget"], context["budgets"][0].meter
    assert (budget["name"], budget["limit_usd"], budget["held_usd"]) == ("Everyone", "10.00", "0.50")
    assert (budget["cost_usd"], budget["used"]) == (meter.spent.exact, meter.percent)
    assert budget["available_usd"] == meter.available.exact
    assert budget["note"].startswith(("hard, ", "soft, "))


def test_a_share_and_a_change_are_written_as_the_page_has_them(usage):
    client = superuser()
    before = client.get(COSTS).context["days_before"]
    bill(make_model("other"), make_user("carol"), before.end - dt.timedelta(hours=1))
    page = client.get(COSTS).context
    rows = rows_of(client.get(reverse("costs-csv")))
    assert rows[0]["cost_change"] == page["changes"]["cost"] == "+100%"
    for listing in page["listings"]:
        shares = [row["cost_share"] for row in rows if row["table"] == listing.group]
        assert shares == [line.percent for line in listing.lines]


def test_the_form_has_a_select_for_the_mode(usage):
    bill(make_model("chat"), make_user("dan"), hours_ago(1), mode="roundtable")
    client = superuser()
    response = client.get(COSTS, {"mode": "roundtable"})
    assert response.context["now"].sums.calls == 1
    page = text_of(response)
    assert '<option value="roundtable" selected>Roundtable</option>' in page
    assert page.count('name="mode"') == 1


def test_the_events_as_a_file(usage):
    response = superuser().get(reverse("costs-events-csv"), {"purpose": "reply"})
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith("attachment; filename=")
    rows = rows_of(response)
    assert [row["user"] for row in rows] == ["alice@example.com", "bob@example.com"]
    assert [row["cost_usd"] for row in rows] == [usd_text(USAGE_PICO), ""]
    assert rows[0]["team"] == "Legal"


def test_a_file_of_events_has_what_did_not_add_up():
    odd = report(flags=("missing_input", "unknown_usage_key"))
    bill(make_model(), make_user("alice"), hours_ago(1), report=odd)
    [row] = rows_of(superuser().get(reverse("costs-events-csv")))
    assert row["flags"] == "missing_input unknown_usage_key"


def test_a_long_file_has_every_event_once():
    model, alice, at = make_model(), make_user("alice"), hours_ago(1)
    made = {str(bill(model, alice, at + dt.timedelta(seconds=number // 100)).pk) for number in range(450)}
    rows = rows_of(superuser().get(reverse("costs-events-csv")))
    assert len(rows) == 450
    assert {row["id"] for row in rows} == made
    assert [row["created_at"] for row in rows] == sorted((row["created_at"] for row in rows), reverse=True)


def test_no_events_is_a_head_alone():
    assert text_of(superuser().get(reverse("costs-events-csv"))).startswith('"id","created_at","cost_usd"')


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1-1", "@x", "\t=1", "\r=1"])
def test_no_cell_is_run_as_a_formula(text):
    safe = cell(text)
    assert safe.startswith("'")
    bill(make_model(), make_user("alice"), hours_ago(0), room_name=text)
    [row] = rows_of(superuser().get(reverse("costs-events-csv")))
    assert row["room"] == safe
    names = {row["name"] for row in rows_of(superuser_again().get(reverse("costs-csv")))}
    assert safe in names


def superuser_again():
    return signed_in(User.objects.get(email="root@example.org"))


def test_teams_by_month(usage):
    response = superuser().get(reverse("costs-teams"), {"months": "6"})
    assert len(response.context["heads"]) == 6
    assert [label for label, _ in response.context["rows"]] == ["Legal", "no team"]
    assert sum(1 for _ in rows_of(superuser_again().get(reverse("costs-teams-csv")))) == 3
    for _, url, _ in response.context["totals"]:
        assert parse_qs(urlsplit(url).query)["range"] == ["custom"]
        assert superuser_again().get(url).context["wrong"] == []
