"""The room editor, and opening a room."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts.tests.support.admin_site import static_files_as_they_are
from sessions.models import Agent, ChatSession, Room
from sessions.selectors.pages import agents_in
from sessions.services.fork import session_fork
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.pages import assert_leads_to_sign_in, browser, text_of

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
NEW = reverse("room-new")
FIELDS = {"name": "Harbour", "goal": "Decide.", "mode": "manual"}


@pytest.fixture
def agents(alice):
    return [make_agent(alice, key) for key in ("ana", "ben", "cleo")]


@pytest.fixture
def room(alice, agents):
    return make_room(alice, *agents, goal="Think.")


def url(name: str, room: Room) -> str:
    return reverse(name, args=[room.pk])


def seats(*agents: Agent) -> dict[str, object]:
    """The fields of a form in which these agents are ticked, numbered in this order."""
    positions = {f"position-{agent.pk}": str(place) for place, agent in enumerate(agents, start=1)}
    return {"agent": [str(agent.pk) for agent in agents], **positions}


def keys(room: Room) -> list[str]:
    return [agent.key for agent in agents_in(room)]


def test_signed_out_people_are_asked_to_sign_in(client, room):
    for path in (NEW, url("room", room), url("room-edit", room)):
        assert_leads_to_sign_in(client.get(path))
    for path in (NEW, url("room-edit", room), url("room-delete", room), url("room-session-new", room)):
        assert_leads_to_sign_in(client.post(path, FIELDS))


def test_to_strangers_a_room_does_not_exist(room, bob):
    client = browser(bob)
    for name in ("room", "room-edit"):
        assert client.get(url(name, room)).status_code == 404
    for name in ("room-edit", "room-delete", "room-session-new"):
        assert client.post(url(name, room), FIELDS).status_code == 404
    assert Room.objects.alive().get().name == "Board"
    assert not ChatSession.objects.exists()


def test_a_room_is_made_with_its_agents_in_order(alice, agents):
    ana, _, cleo = agents
    client = browser(alice)
    assert "@cleo" in text_of(client.get(NEW))
    response = client.post(NEW, {**FIELDS, **seats(cleo, ana)})
    room = Room.objects.get()
    assert response["Location"] == url("room", room)
    assert (room.owner, room.name, room.goal, room.mode) == (alice, "Harbour", "Decide.", "manual")
    assert keys(room) == ["cleo", "ana"]
    assert b"data-composer" in client.get(response["Location"], follow=True).content


def test_an_empty_room_can_be_made_and_says_how_to_fill_it(alice):
    response = browser(alice).post(NEW, FIELDS, follow=True)
    assert "Add agents" in text_of(response)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"name": ""}, "This field is required"),
        ({"goal": "x" * 4_001}, "at most 4000 characters"),
        ({"mode": "direct"}, "Select a valid choice"),
        ({"max_rounds": "4"}, "Select a valid choice"),
        ({"manager_model": "nowhere"}, "Select a valid choice"),
    ],
)
def test_invalid_input_is_reported_and_ticks_are_kept(alice, agents, changed, sentence):
    page = text_of(browser(alice).post(NEW, {**FIELDS, **seats(agents[2]), **changed}))
    assert sentence in page
    assert page.count(" checked") == 1
    assert page.index("@cleo") < page.index("@ana")
    assert not Room.objects.exists()


def test_too_many_agents_are_refused(alice):
    crowd = [make_agent(alice, f"a{number}") for number in range(21)]
    page = text_of(browser(alice).post(NEW, {**FIELDS, **seats(*crowd)}))
    assert "at most 20 agents" in page
    assert not Room.objects.exists()


def test_a_form_is_read_at_once_however_often_it_has_an_agent(alice, agents, django_assert_max_num_queries):
    with django_assert_max_num_queries(40):
        response = browser(alice).post(NEW, {**FIELDS, "agent": [str(agents[0].pk)] * 900})
    assert response.status_code == 302
    assert Room.objects.get().agents.count() == 1


@pytest.mark.parametrize("value", ["none", "00000000-0000-4000-8000-000000000000"])
def test_agents_of_others_do_not_exist(alice, value):
    assert browser(alice).post(NEW, {**FIELDS, "agent": [value]}).status_code == 404


def test_a_room_is_changed(alice, room, agents):
    ana, ben, _ = agents
    client = browser(alice)
    page = text_of(client.get(url("room-edit", room)))
    assert page.count(" checked") == 4  # three members, and the guard
    assert client.post(url("room-edit", room), {**FIELDS, **seats(ben, ana)})["Location"] == url("room", room)
    room.refresh_from_db()
    assert (room.name, keys(room), room.speaker_guard) == ("Harbour", ["ben", "ana"], False)


def test_numbers_that_are_none_keep_the_order_of_the_list(alice, room, agents):
    fields = {**FIELDS, "agent": [str(agent.pk) for agent in agents], f"position-{agents[0].pk}": "first"}
    browser(alice).post(url("room-edit", room), fields)
    assert keys(room) == ["ana", "ben", "cleo"]


def test_a_refused_change_changes_nothing(alice, room):
    page = text_of(browser(alice).post(url("room-edit", room), {**FIELDS, "name": "x" * 201}))
    assert "<h1>Board</h1>" in page
    assert keys(room) == ["ana", "ben", "cleo"]


def test_a_room_leads_to_its_latest_session(alice, room):
    client = browser(alice)
    page = text_of(client.get(url("room", room)))
    assert "Start the first session" in page
    assert "Think." in page
    make_session(alice, room)
    latest = make_session(alice, room)
    assert client.get(url("room", room))["Location"] == reverse("session", args=[latest.pk])


def test_an_unused_session_is_created_once(alice, room):
    client = browser(alice)
    first = client.post(url("room-session-new", room))["Location"]
    assert client.post(url("room-session-new", room))["Location"] == first
    assert ChatSession.objects.get().room == room


def test_a_new_session_is_none_that_somebody_meant_for_something(alice, room):
    client = browser(alice)
    session_fork(user=alice, session=make_session(alice, room), after_turn=0)
    ChatSession.objects.filter(title="").update(title="For the board")
    client.post(url("room-session-new", room))
    assert ChatSession.objects.filter(title="").count() == 1
    assert ChatSession.objects.count() == 3


def test_a_deleted_room_is_gone_with_its_sessions(alice, room):
    session = make_session(alice, room)
    client = browser(alice)
    assert client.post(url("room-delete", room))["Location"] == reverse("home")
    assert client.get(url("room", room)).status_code == 404
    assert client.get(reverse("session", args=[session.pk])).status_code == 404
