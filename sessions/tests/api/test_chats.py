"""POST GET rooms/{id}/sessions and agents/{id}/sessions; GET PATCH DELETE sessions/{id}. See test_rules.py."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.models import User
from accounts.tests.support.clients import invalid, refused
from sessions.models import Agent, ChatSession, Room
from sessions.services.chats import MOST_PINS, session_pin
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_room, make_session

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(alice: User) -> Agent:
    return make_agent(alice, "ana")


@pytest.fixture
def room(alice: User, agent: Agent) -> Room:
    return make_room(alice, agent)


@pytest.fixture(params=["rooms", "agents"])
def place(request: pytest.FixtureRequest, room: Room, agent: Agent) -> str:
    """The two places where sessions are: a room, or an agent alone."""
    return f"rooms/{room.pk}" if request.param == "rooms" else f"agents/{agent.pk}"


def titles(api: Api, place: str) -> list[str]:
    return [session["title"] for session in api.get(f"{place}/sessions").json()["results"]]


class TestStart:
    def test_starts_in_a_room(self, api: Api, alice: User, room: Room) -> None:
        response = api.post(f"rooms/{room.pk}/sessions", {"title": "Plans"})
        assert response.status_code == 201, response.content
        shown = response.json()
        session = ChatSession.objects.get()
        assert (session.owner, session.room, session.agent) == (alice, room, None)
        assert shown == {
            "id": str(session.pk),
            "room_id": str(room.pk),
            "agent_id": None,
            "title": "Plans",
            "pinned": False,
            "created_at": shown["created_at"],
            "updated_at": shown["updated_at"],
        }
        assert parse_datetime(shown["created_at"]) == session.created_at
        assert shown["created_at"].endswith("Z")
        assert api.get(f"sessions/{session.pk}").json() == shown
        assert api.get(f"rooms/{room.pk}/sessions").json()["results"] == [shown]

    def test_starts_with_an_agent_alone(self, api: Api, agent: Agent) -> None:
        shown = api.post(f"agents/{agent.pk}/sessions").json()
        assert (shown["room_id"], shown["agent_id"], shown["title"]) == (None, str(agent.pk), "")
        assert api.get(f"agents/{agent.pk}/sessions").json()["results"] == [shown]

    def test_needs_no_body(self, api: Api, place: str) -> None:
        for content_type in ("", "application/json", "application/x-www-form-urlencoded"):
            response = api.client.generic("POST", f"/api/v1/{place}/sessions", content_type=content_type)
            assert (response.status_code, response.json()["title"]) == (201, "")

    def test_a_stranger_does_not_learn_what_is_wrong(self, stranger: Api, place: str) -> None:
        refused(stranger.post(f"{place}/sessions", {"title": "t" * 201}), 404, "not_found")

    @pytest.mark.parametrize("title", ["", "  Plans  ", "t" * 200, "🎉"])
    def test_takes_a_title(self, api: Api, place: str, title: str) -> None:
        assert api.post(f"{place}/sessions", {"title": title}).json()["title"] == title.strip()

    @pytest.mark.parametrize("title", ["t" * 201, None, [], {}, True])
    def test_refuses_invalid_titles(self, api: Api, place: str, title: Any) -> None:
        invalid(api.post(f"{place}/sessions", {"title": title}), "title")
        assert not ChatSession.objects.exists()

    def test_the_place_is_the_urls(self, api: Api, alice: User, bob: User, room: Room) -> None:
        other = make_room(alice)
        foreign = {"room_id": str(other.pk), "room": str(other.pk), "agent_id": str(uuid.uuid4())}
        shown = api.post(f"rooms/{room.pk}/sessions", {**foreign, "owner": str(bob.pk)}).json()
        assert (shown["room_id"], shown["agent_id"]) == (str(room.pk), None)
        assert ChatSession.objects.get().owner == alice

    def test_an_empty_room_can_be_talked_about_before_anybody_sits_there(self, api: Api, alice: User) -> None:
        assert api.post(f"rooms/{make_room(alice).pk}/sessions").status_code == 201


class TestList:
    def test_each_place_has_its_own(self, api: Api, alice: User, room: Room, agent: Agent) -> None:
        other = make_room(alice, agent)
        for place, title in ((room, "of the room"), (other, "of another"), (agent, "of the agent")):
            session = make_session(alice, place)
            ChatSession.objects.filter(pk=session.pk).update(title=title)
        assert titles(api, f"rooms/{room.pk}") == ["of the room"]
        assert titles(api, f"rooms/{other.pk}") == ["of another"]
        assert titles(api, f"agents/{agent.pk}") == ["of the agent"]

    def test_the_deleted_are_left_out(self, api: Api, place: str) -> None:
        for title in ("one", "two", "three"):
            session_id = api.post(f"{place}/sessions", {"title": title}).json()["id"]
            if title == "two":
                api.delete(f"sessions/{session_id}")
        assert titles(api, place) == ["three", "one"]

    def test_newest_first_whatever_was_said_since(self, api: Api, place: str) -> None:
        first = api.post(f"{place}/sessions", {"title": "first"}).json()["id"]
        api.post(f"{place}/sessions", {"title": "second"})
        ChatSession.objects.filter(pk=first).update(updated_at=timezone.now() + dt.timedelta(hours=1))
        assert titles(api, place) == ["second", "first"]


class TestChange:
    @pytest.fixture
    def session(self, alice: User, room: Room) -> ChatSession:
        return make_session(alice, room)

    def test_renames(self, api: Api, session: ChatSession) -> None:
        before = api.get(f"sessions/{session.pk}").json()
        after = api.patch(f"sessions/{session.pk}", {"title": " Plans "})
        assert after.status_code == 200
        assert after.json() == {**before, "title": "Plans", "updated_at": after.json()["updated_at"]}
        assert api.get(f"sessions/{session.pk}").json() == after.json()

    def test_pins_and_unpins(self, api: Api, session: ChatSession) -> None:
        before = api.get(f"sessions/{session.pk}").json()
        for pinned in (True, True, False):
            after = api.patch(f"sessions/{session.pk}", {"pinned": pinned})
            assert (after.status_code, after.json()) == (200, {**before, "pinned": pinned})
            assert api.get(f"sessions/{session.pk}").json() == after.json()
        assert (
            api.patch(f"sessions/{session.pk}", {"pinned": True, "title": "Plans"}).json()["title"] == "Plans"
        )

    def test_a_pinned_session_keeps_its_place(self, api: Api, session: ChatSession) -> None:
        places = []
        for _ in range(2):
            api.patch(f"sessions/{session.pk}", {"pinned": True})
            places.append(ChatSession.objects.get(pk=session.pk).pinned_at)
        assert places[0] == places[1]

    def test_only_so_many_can_be_pinned(self, api: Api, room: Room, session: ChatSession) -> None:
        for _ in range(MOST_PINS):
            session_pin(session=make_session(session.owner, room), pinned=True)
        change = {"pinned": True, "title": "Plans"}
        assert "At most" in invalid(api.patch(f"sessions/{session.pk}", change), "pinned")["pinned"][0]
        assert api.get(f"sessions/{session.pk}").json()["title"] == ""

    def test_a_title_can_be_taken_away(self, api: Api, session: ChatSession) -> None:
        api.patch(f"sessions/{session.pk}", {"title": "Plans"})
        assert api.patch(f"sessions/{session.pk}", {"title": ""}).json()["title"] == ""

    def test_nothing_sent_is_not_an_error(self, api: Api, session: ChatSession) -> None:
        api.patch(f"sessions/{session.pk}", {"title": "Plans"})
        assert api.patch(f"sessions/{session.pk}", {}).json()["title"] == "Plans"

    @pytest.mark.parametrize("title", ["t" * 201, None, ["Plans"], {"a": 1}])
    def test_refuses_invalid_titles(self, api: Api, session: ChatSession, title: Any) -> None:
        invalid(api.patch(f"sessions/{session.pk}", {"title": title}), "title")
        assert api.get(f"sessions/{session.pk}").json()["title"] == ""

    def test_nothing_else_can_be_changed(
        self, api: Api, alice: User, session: ChatSession, agent: Agent
    ) -> None:
        before = api.get(f"sessions/{session.pk}").json()
        foreign = {
            "id": str(uuid.uuid4()),
            "room_id": str(make_room(alice).pk),
            "agent_id": str(agent.pk),
            "created_at": "2001-01-01T00:00:00Z",
            "deleted_at": "2001-01-01T00:00:00Z",
        }
        assert api.patch(f"sessions/{session.pk}", foreign).json() == before

    def test_deletes(self, api: Api, alice: User, room: Room, session: ChatSession) -> None:
        other = make_session(alice, room)
        response = api.delete(f"sessions/{session.pk}")
        assert (response.status_code, response.content) == (204, b"")
        for path in (f"sessions/{session.pk}", f"sessions/{session.pk}/messages"):
            refused(api.get(path), 404, "not_found")
        refused(api.delete(f"sessions/{session.pk}"), 404, "not_found")
        assert api.get(f"sessions/{other.pk}").status_code == 200
        session.refresh_from_db()
        assert session.deleted_at is not None
