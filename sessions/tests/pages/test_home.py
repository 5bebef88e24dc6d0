"""Home, the starter council, the welcome page after set-up."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.urls import reverse

from accounts.models import User
from accounts.tests.support.admin_site import static_files_as_they_are
from billing.days import utc_today
from billing.tests.support.daily import USD, day_row
from orchestration.models import Provider
from sessions.models import Agent, ChatSession, Room
from sessions.services.starter import STARTER_QUESTION
from sessions.tests.factories import make_agent, make_model, make_room, make_session
from sessions.tests.support.pages import assert_leads_to_sign_in, browser, text_of

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
HOME = reverse("home")
COSTS = {
    "dear": "$1.50 this month",
    "mixed": "$1.00 + unpriced this month",
    "unpriced": "unpriced this month",
    "idle": "$0.00 this month",
}


def test_signed_out_people_are_asked_to_sign_in(client):
    assert client.get(HOME)["Location"] == f"{reverse('sign-in')}?next=/"
    assert_leads_to_sign_in(client.post(reverse("starter")))
    assert_leads_to_sign_in(client.get(reverse("welcome")))


def test_a_first_visit_offers_the_starter_council(alice):
    page = text_of(browser(alice).get(HOME))
    assert "Create starter council" in page


def test_one_click_makes_the_council_and_opens_it_with_a_question(alice):
    client = browser(alice)
    response = client.post(reverse("starter"), follow=True)
    assert response.redirect_chain[0][0].startswith("/sessions/")
    assert STARTER_QUESTION in text_of(response)
    assert Room.objects.get().owner == alice
    assert Agent.objects.count() == 3
    assert "Create starter council" not in text_of(client.get(HOME))


def test_home_lists_only_the_users_own(alice, bob):
    room = make_room(alice, make_agent(alice, "ana"), name="Harbour board")
    session = make_session(alice, room)
    make_session(bob, make_agent(bob, "zed"))
    page = text_of(browser(alice).get(HOME))
    assert "Harbour board" in page
    assert "@ana" in page
    assert reverse("session", args=[session.pk]) in page
    assert "zed" not in page


def test_deleted_things_are_gone(alice):
    agent = make_agent(alice, "ana")
    room = make_room(alice, agent, name="Harbour board")
    make_session(alice, room)
    client = browser(alice)
    client.post(reverse("room-delete", args=[room.pk]))
    client.post(reverse("agent-delete", args=[agent.pk]))
    assert "The room “Harbour board” was deleted." in text_of(client.get(HOME))
    page = text_of(client.get(HOME))
    assert "Harbour board" not in page
    assert "@ana" not in page
    assert not ChatSession.objects.alive().exists()


def test_home_takes_as_many_queries_for_many_rows_as_for_few(alice, django_assert_num_queries):
    client, model = browser(alice), make_model()

    def add(number: int) -> None:
        agents = [make_agent(alice, f"a{number}-{place}", model) for place in range(3)]
        make_session(alice, make_room(alice, *agents))
        make_session(alice, agents[0])

    add(0)
    # who is signed in (2), budgets, sessions, what rooms cost, rooms, their agents, agents, the default model,
    # the sidebar's pins, sessions and rooms
    with django_assert_num_queries(12):
        client.get(HOME)
    for number in range(1, 5):
        add(number)
    with django_assert_num_queries(12):
        client.get(HOME)


def test_rooms_say_what_they_cost_this_month(alice, bob):
    model, today = make_model(), utc_today()
    rooms = {name: make_room(alice, make_agent(alice, f"of-{name}"), name=name) for name in COSTS}
    theirs = make_room(bob, make_agent(bob, "zed"), name="theirs")
    before = today.replace(day=1) - dt.timedelta(days=1)

    def add(room: Room, **fields: Any) -> None:
        day_row(model, **{"day": today, "user_id": room.owner_id, "room_id": room.pk, **fields})

    add(rooms["dear"])
    add(rooms["dear"], mode="roundtable", cost_pico=USD // 2)
    add(rooms["dear"], day=before)
    add(rooms["unpriced"], cost_pico=0, unpriced_calls=1)
    add(rooms["mixed"])
    add(rooms["mixed"], cost_pico=0, unpriced_calls=1)
    add(rooms["idle"], day=before)
    add(theirs, cost_pico=7 * USD)
    page = text_of(browser(alice).get(HOME))
    shown = re.findall(r'row-title">(\w+)</span>.*?row-cost">(.+?)</span>', page)
    assert {room: re.sub(r"</?data[^>]*>", "", cost) for room, cost in shown} == COSTS
    assert 'title="1.50 USD"' in page


def test_the_welcome_names_the_line_for_a_key_that_is_missing(client, monkeypatch):
    Provider.objects.create(name="far", kind="openai", key_env="FAR_API_KEY")
    Provider.objects.create(name="near", kind="openai", key_env="NEAR_API_KEY")
    Provider.objects.create(name="off", kind="openai", key_env="OFF_API_KEY", enabled=False)
    monkeypatch.setenv("NEAR_API_KEY", "sk-secret")
    page = text_of(browser(User.objects.create_superuser("root@example.com")).get(reverse("welcome")))
    assert "<code>FAR_API_KEY=your-key</code>" in page
    assert "Connected" in page
    assert "NEAR_API_KEY" not in page
    assert "sk-secret" not in page
    assert "OFF_API_KEY" not in page


def test_the_welcome_is_for_staff(alice):
    assert browser(alice).get(reverse("welcome")).status_code == 404


@pytest.mark.parametrize(
    "path", ["/nowhere", "/sessions/none", "/agents/1", "/rooms/%00", "/static/none.css"]
)
def test_what_does_not_exist_is_a_page_that_says_so(alice, path):
    response = browser(alice).get(path)
    assert response.status_code == 404
    assert "Not found" in text_of(response)


def test_deleted_items_are_listed_by_kind_with_a_way_back(alice):
    client = browser(alice)
    assert "Nothing deleted in the last 7 days." in text_of(client.get(reverse("deleted")))
    room = make_room(alice, make_agent(alice, "ana", name="Ana"), name="Harbour board")
    client.post(reverse("room-delete", args=[room.pk]))
    client.post(reverse("agent-delete", args=[alice.agents.get().pk]))
    page = text_of(client.get(reverse("deleted"))).partition("</nav>")[2]
    assert 'aria-label="Restore room Harbour board"' in page
    assert 'aria-label="Restore agent Ana"' in page
    assert "Sessions</h2>" not in page
