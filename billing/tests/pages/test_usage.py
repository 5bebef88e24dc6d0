"""*Usage*: the cost of my own calls, and the links of its rows."""

from __future__ import annotations

import datetime as dt
import re
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.services.people import token_create
from accounts.tests.support.admin_site import signed_in, static_files_as_they_are
from accounts.tests.support.clients import make_user
from accounts.tests.support.html import html_of
from billing.fields import usd_text
from billing.services.reprice import events_reprice
from billing.tests.factories import USAGE_PICO, make_model, make_price
from billing.tests.support.daily import bill

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
USAGE = reverse("usage")


@pytest.fixture
def alice():
    return make_user("alice")


def test_signed_out_people_are_asked_to_sign_in(client):
    assert client.get(USAGE)["Location"] == f"{reverse('sign-in')}?next=/usage"


def test_it_is_in_the_menu_and_opens_empty(alice):
    page = html_of(signed_in(alice).get(USAGE))
    assert f'href="{USAGE}"' in page
    assert "no cost" in page


def test_it_is_mine_alone(alice):
    model = make_model()
    bill(model, alice, timezone.now())
    bill(model, make_user("bob"), timezone.now(), room_id=uuid.uuid4(), room_name="Secret")
    response = signed_in(alice).get(USAGE)
    assert response.context["now"].cost.exact == usd_text(USAGE_PICO)
    assert "Secret" not in html_of(response)
    for query in ({"user": str(make_user("eve").pk)}, {"user": "bob@example.com"}, {"team": "none"}):
        assert signed_in(alice).get(USAGE, query).context["now"].sums.calls == 1


def test_filters_by_id_tell_nothing_about_others(alice):
    model, room, agent = make_model("quiet-model"), uuid.uuid4(), uuid.uuid4()
    bill(
        model,
        make_user("bob"),
        timezone.now(),
        room_id=room,
        room_name="Secret",
        agent_id=agent,
        agent_key="spy",
    )
    type(model).objects.filter(pk=model.pk).update(enabled=False)
    client = signed_in(alice)
    for name, value in (("room", room), ("agent", agent), ("model", model.pk), ("model", "quiet-model")):
        page = html_of(client.get(USAGE, {name: str(value)}))
        assert "Secret" not in page
        assert "@spy" not in page
        assert "Model: quiet-model" not in page
    unknown = client.get(USAGE, {"model": "no-such-model"}).context["wrong"]
    assert client.get(USAGE, {"model": "quiet-model"}).context["wrong"] == unknown != []


def test_filters_by_id_have_the_names_of_my_own_calls(alice):
    model, room = make_model("quiet-model"), uuid.uuid4()
    bill(model, alice, timezone.now(), room_id=room, room_name="Mine")
    type(model).objects.filter(pk=model.pk).update(enabled=False)
    chips = signed_in(alice).get(USAGE, {"room": str(room), "model": "quiet-model"}).context["chips"]
    assert {chip.label for chip in chips} == {"Mine", "quiet-model"}


def test_a_filter_by_user_does_not_tell_who_has_an_account(alice):
    make_user("bob")
    wrong = [
        signed_in(alice).get(USAGE, {"user": email}).context["wrong"]
        for email in ("bob@example.com", "nobody@example.com")
    ]
    assert wrong == [[], []]


def test_rows_lead_to_turns(alice):
    now = timezone.now()
    bill(make_model(), alice, now)
    bill(make_model("other"), alice, now - dt.timedelta(days=1), room_id=uuid.UUID(int=0), room_name="")
    client = signed_in(alice)
    response = client.get(USAGE)
    assert [listing.group for listing in response.context["listings"]] == [
        "day",
        "model",
        "room",
        "agent",
        "token",
    ]
    assert [turn.place for turn in response.context["turns"]] == ["Board", "Direct chat"]
    for listing in response.context["listings"][:-1]:
        for line in listing.lines:
            assert line.narrow.endswith("#turns")
            narrowed = client.get(f"{USAGE}{line.narrow}")
            assert narrowed.context["now"].sums == line.figures.sums
            assert sum(turn.calls for turn in narrowed.context["turns"]) == line.figures.sums.calls


def test_tokens_have_rows_of_their_own_beside_the_pages(alice):
    model, now = make_model(), timezone.now()
    token, _ = token_create(user=alice, name="reports")
    for token_id in (token.pk, token.pk, None, uuid.UUID(int=9)):
        bill(model, alice, now, token_id=token_id)
    response = signed_in(alice).get(USAGE)
    lines = response.context["listings"][-1].lines
    assert {line.label: (line.figures.sums.calls, line.figures.cost.exact) for line in lines} == {
        "reports": (2, usd_text(2 * USAGE_PICO)),
        "Pages (no token)": (1, usd_text(USAGE_PICO)),
        "Deleted token (00000000)": (1, usd_text(USAGE_PICO)),
    }
    assert {turn.token for turn in response.context["turns"]} == {"reports", "", "Deleted token (00000000)"}


def test_without_tokens_there_is_no_table_of_them(alice):
    bill(make_model(), alice, timezone.now(), token_id=None)
    listings = signed_in(alice).get(USAGE).context["listings"]
    assert [listing.group for listing in listings] == ["day", "model", "room", "agent"]


def test_a_corrected_call_is_one_call_of_its_token(alice):
    event = bill(make_model(priced=False), alice, timezone.now(), token_id=uuid.UUID(int=9))
    client = signed_in(alice)
    assert client.get(USAGE).context["listings"][-1].lines[0].figures.sums.unpriced_calls == 1
    make_price(event.model)
    events_reprice(start=event.created_at - dt.timedelta(hours=1))
    [line] = client.get(USAGE).context["listings"][-1].lines
    assert (line.figures.sums.calls, line.figures.sums.unpriced_calls) == (1, 0)
    assert line.figures.cost.exact == usd_text(USAGE_PICO)


def test_days_are_utc_days_and_times_have_their_day(alice):
    bill(make_model(), alice, timezone.now())
    page = html_of(signed_in(alice).get(USAGE))
    assert "Days are in UTC" in page
    assert page.count("data-with-day") == 2


def test_a_turn_is_one_row_with_all_its_calls(alice):
    model, turn_id = make_model(), uuid.uuid4()
    for key in ("ana", "ben", "ana"):
        bill(model, alice, timezone.now(), turn_id=turn_id, agent_key=key)
    [turn] = signed_in(alice).get(USAGE).context["turns"]
    assert (turn.agents, turn.calls, turn.cost.exact) == ("@ana @ben", 3, usd_text(3 * USAGE_PICO))


def test_invalid_parameters_are_reported(alice):
    response = signed_in(alice).get(USAGE, {"from": "soon", "room": "board"})
    assert response.status_code == 200
    assert len(response.context["wrong"]) == 2


def test_nothing_in_it_is_inline(alice):
    bill(make_model(), alice, timezone.now())
    page = html_of(signed_in(alice).get(USAGE))
    assert not re.search(r"\sstyle=|<style|\son\w+=|<script(?![^>]*\ssrc=)", page)


def test_more_usage_asks_no_more_queries(alice):
    client = signed_in(alice)
    bill(make_model(), alice, timezone.now())
    with CaptureQueriesContext(connection) as few:
        client.get(USAGE)
    for number in range(6):
        bill(make_model(f"m{number}"), alice, timezone.now(), room_id=uuid.uuid4(), agent_id=uuid.uuid4())
    with CaptureQueriesContext(connection) as many:
        client.get(USAGE)
    assert len(many) == len(few) <= 24
