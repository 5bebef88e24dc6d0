"""How many rooms and agents a person may have, whichever way they come to be."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from accounts.tests.support.admin_site import static_files_as_they_are
from accounts.tests.support.at_once import at_once
from accounts.tests.support.clients import invalid
from sessions.models import Agent, Room
from sessions.selectors.pages import agents_in
from sessions.services.agents import agent_delete, agent_update
from sessions.services.rooms import room_delete, room_update
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_room
from sessions.tests.support.pages import browser, text_of

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
MOST = 3
ROOMS_SAID = f"An account has at most {MOST} rooms. Delete some first."
AGENTS_SAID = f"An account has at most {MOST} agents. Delete some first."
ROOM, AGENT = {"name": "Board", "mode": "manual"}, {"key": "new", "name": "New", "role_prompt": ""}


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    for model in (Room, Agent):
        monkeypatch.setattr(model, "MOST_PER_PERSON", MOST)


def fill(user: User) -> tuple[list[Room], list[Agent]]:
    agents = [make_agent(user, f"a{number}") for number in range(MOST)]
    return [make_room(user, agents[0]) for _ in range(MOST)], agents


def test_one_more_is_refused_until_one_is_deleted(alice: User, api: Api, stranger: Api) -> None:
    rooms, agents = fill(alice)
    for path, body, said in (("rooms", ROOM, ROOMS_SAID), ("agents", AGENT, AGENTS_SAID)):
        refusal = api.post(path, body)
        assert invalid(refusal, "non_field_errors") == {"non_field_errors": [said]}
        assert refusal.json()["error"]["message"] == said
        assert stranger.post(path, body).status_code == 201
    room_delete(room=rooms[0])
    agent_delete(agent=agents[0])
    assert api.post("rooms", ROOM).status_code == 201
    assert api.post("agents", AGENT).status_code == 201


def test_what_there_is_can_be_changed(alice: User) -> None:
    rooms, agents = fill(alice)
    assert room_update(room=rooms[0], name="Another").name == "Another"
    assert agent_update(agent=agents[0], name="Another").name == "Another"


def test_forms_say_what_to_do(alice: User) -> None:
    fill(alice)
    client = browser(alice)
    form = {"name": "New", "goal": "", "mode": "manual", "max_rounds": "1"}
    assert ROOMS_SAID in text_of(client.post(reverse("room-new"), form))
    assert AGENTS_SAID in text_of(client.post(reverse("agent-new"), AGENT))


def test_the_starter_council_counts(alice: User) -> None:
    make_agent(alice, "a0")
    client = browser(alice)
    refusal = client.post(reverse("starter"))  # three agents beside one
    assert refusal.status_code == 422
    assert AGENTS_SAID in text_of(refusal)
    assert (Room.objects.count(), Agent.objects.count()) == (0, 1)
    agent_delete(agent=Agent.objects.get())
    for _ in range(MOST):  # whose agents are those of the first
        assert client.post(reverse("starter")).status_code == 302
    assert ROOMS_SAID in text_of(client.post(reverse("starter")))


def test_deleted_rows_can_be_restored_within_the_maximum(alice: User) -> None:
    room, agent = make_room(alice), make_agent(alice, "old")
    room_delete(room=room)
    agent_delete(agent=agent)
    rooms, agents = fill(alice)
    client = browser(alice)
    undo = {
        "room": reverse("room-restore", args=[room.pk]),
        "agent": reverse("agent-restore", args=[agent.pk]),
    }
    assert ROOMS_SAID in text_of(client.post(undo["room"], follow=True))
    assert AGENTS_SAID in text_of(client.post(undo["agent"], follow=True))
    assert not Room.objects.alive().filter(pk=room.pk).exists()
    assert not Agent.objects.alive().filter(pk=agent.pk).exists()
    room_delete(room=rooms[0])
    agent_delete(agent=agents[0])
    client.post(undo["room"])
    client.post(undo["agent"])
    assert Room.objects.alive().filter(pk=room.pk).exists()
    assert Agent.objects.alive().filter(pk=agent.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_requests_at_once_slip_past_by_a_few_and_later_ones_not_at_all(alice: User, api: Api) -> None:
    make_room(alice)
    at_once(*[lambda: make_room(alice)] * 5)
    assert MOST <= Room.objects.of(alice).count() <= MOST + 3
    before = Room.objects.of(alice).count()
    assert api.post("rooms", ROOM).status_code == 422
    assert Room.objects.of(alice).count() == before


class TestOfAnAccountThatHadMore:
    """Rooms and agents that were made before there was a bound."""

    @pytest.fixture(autouse=True)
    def _many(self, alice: User) -> None:
        Room.objects.bulk_create(Room(owner=alice, name=f"Room {number}") for number in range(MOST + 2))
        Agent.objects.bulk_create(
            Agent(owner=alice, key=f"k{number}", name=f"Agent {number}") for number in range(MOST + 2)
        )

    def test_home_lists_up_to_the_maximum_and_says_so(self, alice: User) -> None:
        page = text_of(browser(alice).get(reverse("home")))
        assert page.count("row-title") == 2 * MOST
        assert f"Room {MOST + 1}<" in page, "the newest is listed"
        assert f"Limit of {MOST} rooms reached." in page
        assert f"Limit of {MOST} agents reached." in page

    def test_so_does_the_list_of_models(self, api: Api) -> None:
        listed = api.client.get("/v1/models").json()["data"]
        assert len(listed) == 2 * MOST
        assert listed[0]["name"] == f"Room {MOST + 1}"

    def test_an_agent_that_is_not_listed_keeps_its_seat(self, alice: User) -> None:
        room, last = Room.objects.first(), Agent.objects.get(key=f"k{MOST + 1}")
        assert room is not None
        address = reverse("room-edit", args=[room.pk])
        form = {"name": room.name, "goal": "", "mode": "manual", "max_rounds": "1", "agent": str(last.pk)}
        assert browser(alice).post(address, form).status_code == 302
        assert agents_in(room) == [last]
        assert f'value="{last.pk}" checked' in text_of(browser(alice).get(address))


def test_home_says_nothing_of_a_bound_that_is_far(alice: User) -> None:
    make_room(alice, make_agent(alice, "ana"))
    assert "Limit of" not in text_of(browser(alice).get(reverse("home")))


@pytest.mark.parametrize("path", ["/", "/v1/models"])
def test_lists_are_read_without_prompts_and_goals(alice: User, api: Api, path: str) -> None:
    make_room(alice, make_agent(alice, "ana"))
    client = browser(alice) if path == "/" else api.client
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path).status_code == 200
    lists = [
        query["sql"] for query in queries if f" LIMIT {MOST}" in query["sql"] or "roomagent" in query["sql"]
    ]
    assert len(lists) >= 2
    assert not [sql for sql in lists if "role_prompt" in sql or '"goal"' in sql]
