"""POST GET rooms; GET PATCH DELETE rooms/{id}; PUT rooms/{id}/agents. See also test_rules.py."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.tests.support.clients import invalid, refused
from orchestration.models import LlmModel
from sessions.models import Agent, Room, RoomAgent
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_model, make_room, make_session

pytestmark = pytest.mark.django_db

BODY = {"name": "Board", "mode": "manual"}


@pytest.fixture
def ana(alice: User) -> Agent:
    return make_agent(alice, "ana")


@pytest.fixture
def ben(alice: User) -> Agent:
    return make_agent(alice, "ben")


@pytest.fixture
def room(alice: User) -> Room:
    return make_room(alice)


def keys(shown: Any) -> list[str]:
    return [agent["key"] for agent in shown["agents"]]


def ids(*agents: Agent) -> list[str]:
    return [str(agent.pk) for agent in agents]


def many(owner: User, number: int) -> list[Agent]:
    return Agent.objects.bulk_create(
        Agent(owner=owner, key=f"agent-{position}", name="Agent") for position in range(number)
    )


class TestCreate:
    def test_makes_a_room(self, api: Api, alice: User, ana: Agent, ben: Agent) -> None:
        model = make_model()
        body = {
            "name": "Board",
            "goal": "Decide.",
            "mode": "orchestrator",
            "manager_model": model.alias,
            "max_rounds": 3,
            "speaker_guard": True,
        }
        response = api.post("rooms", {**body, "agents": ids(ben, ana)})
        assert response.status_code == 201, response.content
        shown = response.json()
        room = Room.objects.get()
        assert (room.owner, room.manager_model) == (alice, model)
        agents = [api.get(f"agents/{agent.pk}").json() for agent in (ben, ana)]
        assert shown == {
            **body,
            "id": str(room.pk),
            "agents": agents,
            "created_at": shown["created_at"],
            "updated_at": shown["updated_at"],
        }
        assert api.get(f"rooms/{room.pk}").json() == shown
        assert api.get("rooms").json()["results"] == [shown]

    def test_a_name_and_a_mode_are_enough(self, api: Api) -> None:
        shown = api.post("rooms", BODY).json()
        assert (shown["goal"], shown["manager_model"], shown["max_rounds"]) == ("", None, 1)
        assert shown["agents"] == []

    @pytest.mark.parametrize("mode", ["manual", "roundtable", "orchestrator"])
    def test_every_mode_can_be_saved(self, api: Api, mode: str) -> None:
        """An orchestrator's goal and agents are asked for when a turn is accepted."""
        assert api.post("rooms", {**BODY, "mode": mode}).json()["mode"] == mode

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", ""),
            ("name", "\t"),
            ("name", "n" * 201),
            ("name", None),
            ("name", {"text": "Board"}),
            ("goal", "g" * 4_001),
            ("goal", None),
            ("mode", ""),
            ("mode", None),
            ("mode", "Manual"),
            ("mode", "direct"),
            ("mode", ["manual"]),
            ("mode", {"mode": "manual"}),
            ("manager_model", "no-such-model"),
            ("manager_model", 1),
            ("max_rounds", 0),
            ("max_rounds", 4),
            ("max_rounds", None),
            ("max_rounds", 1.5),
            ("max_rounds", True),
            ("max_rounds", "deep"),
            ("agents", None),
            ("agents", "ana"),
            ("agents", {"0": "ana"}),
            ("agents", [str(uuid.UUID(int=0))]),
        ],
    )
    def test_refuses_what_no_room_has(self, api: Api, field: str, value: Any) -> None:
        invalid(api.post("rooms", {**BODY, field: value}), field)
        assert not Room.objects.exists()

    def test_says_everything_that_is_missing_at_once(self, api: Api) -> None:
        invalid(api.post("rooms", {}), "name", "mode")

    def test_takes_no_model_that_is_switched_off(self, api: Api) -> None:
        model = make_model(enabled=False)
        invalid(api.post("rooms", {**BODY, "manager_model": model.alias}), "manager_model")

    def test_what_is_not_the_callers_to_set_is_ignored(self, api: Api, alice: User, bob: User) -> None:
        foreign = {"id": str(uuid.uuid4()), "owner": str(bob.pk), "deleted_at": "2001-01-01T00:00:00Z"}
        shown = api.post("rooms", {**BODY, **foreign}).json()
        room = Room.objects.get()
        assert (room.owner, room.deleted_at) == (alice, None)
        assert shown["id"] == str(room.pk) != foreign["id"]
        assert "owner" not in shown


class SeatingContract:
    """What every way to say who sits in a room has in common."""

    def seat(self, api: Api, room: Room, agents: Any) -> Any:
        raise NotImplementedError

    def test_keeps_the_order(self, api: Api, alice: User, room: Room) -> None:
        agents = many(alice, 5)
        for order in (agents, agents[::-1], [agents[index] for index in (2, 0, 4, 1, 3)]):
            response = self.seat(api, room, ids(*order))
            assert response.status_code == 200, response.content
            assert keys(response.json()) == [agent.key for agent in order]
            assert keys(api.get(f"rooms/{room.pk}").json()) == [agent.key for agent in order]

    def test_replaces_who_sat_there(self, api: Api, room: Room, ana: Agent, ben: Agent) -> None:
        self.seat(api, room, ids(ana))
        assert keys(self.seat(api, room, ids(ben)).json()) == ["ben"]
        assert keys(self.seat(api, room, []).json()) == []
        assert not RoomAgent.objects.exists()

    def test_counts_duplicates_once_at_their_first_place(
        self, api: Api, room: Room, ana: Agent, ben: Agent
    ) -> None:
        assert keys(self.seat(api, room, ids(ben, ana, ben, ana)).json()) == ["ben", "ana"]
        assert keys(self.seat(api, room, [ana.pk.hex.upper(), str(ana.pk)]).json()) == ["ana"]

    def test_takes_20_and_no_more(self, api: Api, alice: User, room: Room) -> None:
        agents = many(alice, 21)
        assert len(keys(self.seat(api, room, ids(*agents[:20])).json())) == 20
        assert len(keys(self.seat(api, room, ids(*agents[:20], agents[0])).json())) == 20
        (sentence,) = invalid(self.seat(api, room, ids(*agents)), "agents")["agents"]
        assert "20" in sentence
        assert len(keys(api.get(f"rooms/{room.pk}").json())) == 20

    def test_thousands_of_ids_are_not_looked_for(self, api: Api, room: Room) -> None:
        api.get("models")
        with CaptureQueriesContext(connection) as queries:
            invalid(self.seat(api, room, [str(uuid.uuid4()) for _ in range(5000)]), "agents")
        assert len(queries) <= 3

    def test_does_not_add_other_users_agents(
        self, api: Api, alice: User, bob: User, room: Room, ana: Agent
    ) -> None:
        foreign = make_agent(bob, "spy")
        self.seat(api, room, ids(ana))
        for agents in ([foreign], [ana, foreign]):
            sentences = invalid(self.seat(api, room, ids(*agents)), "agents")
            assert "spy" not in json.dumps(sentences)
        unknown = invalid(self.seat(api, room, [str(uuid.uuid4())]), "agents")
        assert unknown == sentences  # whether it exists is not told
        assert keys(api.get(f"rooms/{room.pk}").json()) == ["ana"]

    @pytest.mark.parametrize(
        ("agents", "field"),
        [
            (["ana"], "agents.0"),
            ([None], "agents.0"),
            ([-1], "agents.0"),
            ([2**200], "agents.0"),
            ([["x"]], "agents.0"),
            (["00000000-0000-0000-0000-000000000000", "x"], "agents.1"),
            ([0], "agents"),
            ({}, "agents"),
            ({"0": "ana"}, "agents"),
        ],
    )
    def test_refuses_anything_but_a_list_of_ids(
        self, api: Api, room: Room, ana: Agent, agents: Any, field: str
    ) -> None:
        self.seat(api, room, ids(ana))
        invalid(self.seat(api, room, agents), field)
        assert keys(api.get(f"rooms/{room.pk}").json()) == ["ana"]


class TestPut(SeatingContract):
    def seat(self, api: Api, room: Room, agents: Any) -> Any:
        return api.client.put(
            f"/api/v1/rooms/{room.pk}/agents", json.dumps(agents), content_type="application/json"
        )

    def test_no_body_is_no_empty_list(self, api: Api, room: Room, ana: Agent) -> None:
        self.seat(api, room, ids(ana))
        for content_type in (
            "application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "",
        ):
            response = api.client.generic("PUT", f"/api/v1/rooms/{room.pk}/agents", content_type=content_type)
            invalid(response, "agents")
        assert keys(api.get(f"rooms/{room.pk}").json()) == ["ana"]


class TestPatchOfAgents(SeatingContract):
    def seat(self, api: Api, room: Room, agents: Any) -> Any:
        return api.patch(f"rooms/{room.pk}", {"agents": agents})


class TestChange:
    def test_changes_what_is_sent_and_nothing_else(self, api: Api, alice: User, ana: Agent) -> None:
        make_model()
        room = make_room(alice, ana, goal="Decide.")
        before = api.get(f"rooms/{room.pk}").json()
        changes: list[dict[str, Any]] = [
            {"name": "Council"},
            {"goal": ""},
            {"mode": "roundtable"},
            {"max_rounds": 2},
            {"manager_model": "test-model"},
            {"manager_model": None, "max_rounds": 1},
        ]
        for change in changes:
            after = api.patch(f"rooms/{room.pk}", change)
            assert after.status_code == 200, after.content
            assert after.json()["updated_at"] > before["updated_at"]
            before = {**before, **change, "updated_at": after.json()["updated_at"]}
            assert after.json() == before == api.get(f"rooms/{room.pk}").json()

    def test_nothing_sent_is_not_an_error(self, api: Api, room: Room) -> None:
        assert api.patch(f"rooms/{room.pk}", {}).json()["name"] == "Board"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", ""),
            ("name", None),
            ("goal", "g" * 4_001),
            ("mode", "quick"),
            ("mode", None),
            ("manager_model", "none"),
            ("max_rounds", 9),
        ],
    )
    def test_refuses_what_no_room_has(self, api: Api, room: Room, field: str, value: Any) -> None:
        before = api.get(f"rooms/{room.pk}").json()
        invalid(api.patch(f"rooms/{room.pk}", {"goal": "Changed.", field: value}), field)
        assert api.get(f"rooms/{room.pk}").json() == before

    def test_fields_and_agents_change_together_or_not_at_all(
        self, api: Api, bob: User, room: Room, ana: Agent
    ) -> None:
        shown = api.patch(f"rooms/{room.pk}", {"name": "Council", "agents": ids(ana)}).json()
        assert (shown["name"], keys(shown)) == ("Council", ["ana"])
        foreign = make_agent(bob, "spy")
        invalid(api.patch(f"rooms/{room.pk}", {"name": "Spies", "agents": ids(foreign)}), "agents")
        shown = api.get(f"rooms/{room.pk}").json()
        assert (shown["name"], keys(shown)) == ("Council", ["ana"])


class TestDelete:
    def test_is_gone_with_its_sessions(self, api: Api, alice: User, ana: Agent) -> None:
        room, other = make_room(alice, ana), make_room(alice, ana, name="Other")
        session = make_session(alice, room)
        kept = make_session(alice, other)
        assert api.delete(f"rooms/{room.pk}").status_code == 204
        for path in (f"rooms/{room.pk}", f"rooms/{room.pk}/sessions", f"sessions/{session.pk}"):
            refused(api.get(path), 404, "not_found")
        refused(api.delete(f"rooms/{room.pk}"), 404, "not_found")
        assert [shown["name"] for shown in api.get("rooms").json()["results"]] == ["Other"]
        assert api.get(f"sessions/{kept.pk}").status_code == 200
        assert api.get(f"agents/{ana.pk}").status_code == 200
        assert Room.objects.get(pk=room.pk).deleted_at is not None


class TestQueries:
    def test_a_list_with_agents_in_every_room(self, api: Api, alice: User, django_assert_num_queries) -> None:
        def add(number: int) -> None:
            model: LlmModel = make_model(alias=f"model-{number}")
            agents = [make_agent(alice, f"agent-{number}-{seat}", model) for seat in range(3)]
            make_room(alice, *agents, name=f"Room {number}", manager_model=model)

        add(0)
        api.get("rooms")
        with django_assert_num_queries(4):  # the token, the rooms, how long prompts are, who sits in them
            api.get("rooms")
        for number in range(1, 5):
            add(number)
        with django_assert_num_queries(4):
            assert len(api.get("rooms").json()["results"]) == 5
