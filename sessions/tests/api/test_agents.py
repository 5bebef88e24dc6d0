"""POST GET agents; GET PATCH DELETE agents/{id}. The rules of all endpoints are in test_rules.py."""

from __future__ import annotations

import uuid
from functools import partial
from typing import Any

import pytest
from django.utils.dateparse import parse_datetime

from accounts.models import User
from accounts.tests.support.at_once import at_once
from accounts.tests.support.clients import client_of, invalid, refused
from orchestration.models import LlmModel
from sessions.models import Agent
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_model, make_room, make_session

pytestmark = pytest.mark.django_db

BODY = {"key": "ana", "name": "Ana", "role_prompt": "You are Ana."}


@pytest.fixture
def model(db: None) -> LlmModel:
    return make_model()


@pytest.fixture
def agent(alice: User) -> Agent:
    return make_agent(alice, "ana")


class TestCreate:
    def test_makes_an_agent(self, api: Api, alice: User, model: LlmModel) -> None:
        chosen = {"temperature": 0.7, "max_output_tokens": 500, "reasoning_effort": "high"}
        body = {**BODY, "model": "test-model", **chosen}
        response = api.post("agents", body)
        assert response.status_code == 201, response.content
        shown = response.json()
        agent = Agent.objects.get()
        assert (agent.owner, agent.model) == (alice, model)
        assert shown == {
            **body,
            "id": str(agent.pk),
            "created_at": shown["created_at"],
            "updated_at": shown["updated_at"],
        }
        assert parse_datetime(shown["created_at"]) == agent.created_at
        assert shown["created_at"].endswith("Z")
        assert api.get(f"agents/{agent.pk}").json() == shown
        assert api.get("agents").json()["results"] == [shown]

    def test_without_a_model_it_runs_on_the_default(self, api: Api) -> None:
        for key, model in (("one", {}), ("two", {"model": None}), ("three", {"model": ""})):
            shown = api.post("agents", {**BODY, "key": key, **model}).json()
            assert shown["model"] is None
            assert (shown["temperature"], shown["max_output_tokens"]) == (None, None)
            assert shown["reasoning_effort"] is None

    def test_the_role_prompt_is_kept_as_it_is(self, api: Api) -> None:
        for key, prompt in (
            ("one", ""),
            ("two", "  \n indented\n"),
            ("three", "p" * 20_000),
            ("four", "Grüße 🎉"),
        ):
            response = api.post("agents", {**BODY, "key": key, "role_prompt": prompt})
            assert response.json()["role_prompt"] == prompt

    @pytest.mark.parametrize("key", ["a", "a" * 64, "0", "_", "-", "data_team-2"])
    def test_takes_any_key_of_the_alphabet(self, api: Api, key: str) -> None:
        assert api.post("agents", {**BODY, "key": key}).json()["key"] == key

    @pytest.mark.parametrize(
        "key",
        ["", " ", "a" * 65, "Ana", "ana b", "ana.b", "é", "ａ", "@ana", "ana\n.", None, ["ana"], {}, True],
    )
    def test_refuses_any_other_key(self, api: Api, key: Any) -> None:
        invalid(api.post("agents", {**BODY, "key": key}), "key")
        assert not Agent.objects.exists()

    @pytest.mark.parametrize("key", ["all", " all "])
    def test_all_is_reserved(self, api: Api, key: str) -> None:
        (sentence,) = invalid(api.post("agents", {**BODY, "key": key}), "key")["key"]
        assert "every agent" in sentence

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", ""),
            ("name", "  "),
            ("name", "n" * 121),
            ("name", None),
            ("name", ["Ana"]),
            ("role_prompt", "p" * 20_001),
            ("role_prompt", None),
            ("model", "no-such-model"),
            ("model", "No Such Model"),
            ("model", "m" * 100_000),
            ("model", 7),
            ("model", ["test-model"]),
            ("model", {"alias": "test-model"}),
            ("temperature", -0.1),
            ("temperature", 2.1),
            ("temperature", "warm"),
            ("temperature", "nan"),
            ("temperature", "inf"),
            ("temperature", 1e308),
            ("temperature", [1]),
            ("max_output_tokens", 15),
            ("max_output_tokens", 0),
            ("max_output_tokens", -16),
            ("max_output_tokens", 1_000_001),
            ("max_output_tokens", 10**40),
            ("max_output_tokens", 100.5),
            ("max_output_tokens", "many"),
            ("reasoning_effort", "huge"),
            ("reasoning_effort", "HIGH"),
            ("reasoning_effort", ""),
            ("reasoning_effort", 1),
            ("reasoning_effort", ["low"]),
        ],
    )
    def test_refuses_what_no_agent_has(self, api: Api, model: LlmModel, field: str, value: Any) -> None:
        invalid(api.post("agents", {**BODY, field: value}), field)
        assert not Agent.objects.exists()

    @pytest.mark.parametrize(
        ("field", "value"),
        [("temperature", 0), ("temperature", 2), ("max_output_tokens", 16), ("max_output_tokens", 1_000_000)],
    )
    def test_takes_the_bounds(self, api: Api, field: str, value: float) -> None:
        assert api.post("agents", {**BODY, field: value}).json()[field] == value

    def test_says_everything_that_is_missing_at_once(self, api: Api) -> None:
        invalid(api.post("agents", {}), "key", "name", "role_prompt")
        for content_type in ("application/json", "application/x-www-form-urlencoded", ""):
            no_body = api.client.generic("POST", "/api/v1/agents", content_type=content_type)
            invalid(no_body, "key", "name", "role_prompt")
        assert not Agent.objects.exists()

    def test_takes_no_model_that_is_switched_off(self, api: Api, model: LlmModel) -> None:
        model.enabled = False
        model.save()
        invalid(api.post("agents", {**BODY, "model": model.alias}), "model")
        model.enabled, model.provider.enabled = True, False
        model.save()
        model.provider.save()
        invalid(api.post("agents", {**BODY, "model": model.alias}), "model")

    def test_what_is_not_the_callers_to_set_is_ignored(self, api: Api, alice: User, bob: User) -> None:
        foreign = {
            "id": str(uuid.uuid4()),
            "owner": str(bob.pk),
            "owner_id": str(bob.pk),
            "created_at": "2001-01-01T00:00:00Z",
            "deleted_at": "2001-01-01T00:00:00Z",
        }
        shown = api.post("agents", {**BODY, **foreign}).json()
        agent = Agent.objects.get()
        assert (agent.owner, agent.deleted_at) == (alice, None)
        assert shown["id"] != foreign["id"]
        assert not shown["created_at"].startswith("2001")
        assert not shown.keys() & {"owner", "owner_id", "deleted_at"}


class TestKey:
    """Unique per owner among the not deleted."""

    def test_is_taken_once(self, api: Api, agent: Agent) -> None:
        error = refused(api.post("agents", BODY), 409, "agent_key_taken")
        assert error["details"] == {"key": "ana"}
        assert error["retryable"] is False
        assert Agent.objects.count() == 1

    def test_is_each_owners_own(self, api: Api, stranger: Api, agent: Agent) -> None:
        assert stranger.post("agents", BODY).status_code == 201

    def test_is_freed_by_deleting(self, api: Api, agent: Agent) -> None:
        assert api.delete(f"agents/{agent.pk}").status_code == 204
        again = api.post("agents", BODY)
        assert again.status_code == 201
        assert again.json()["id"] != str(agent.pk)
        assert api.delete(f"agents/{again.json()['id']}").status_code == 204
        assert api.post("agents", BODY).status_code == 201  # any number of deleted ones

    def test_cannot_be_changed_to_a_taken_one(self, api: Api, alice: User, agent: Agent) -> None:
        other = make_agent(alice, "ben")
        refused(api.patch(f"agents/{other.pk}", {"key": "ana", "name": "Not Ben"}), 409, "agent_key_taken")
        other.refresh_from_db()
        assert (other.key, other.name) == ("ben", "Ben")

    def test_can_be_sent_unchanged(self, api: Api, agent: Agent) -> None:
        assert api.patch(f"agents/{agent.pk}", {"key": "ana", "name": "Anna"}).json()["name"] == "Anna"

    @pytest.mark.django_db(transaction=True)
    def test_of_many_requests_at_once_exactly_one_gets_it(self, alice: User) -> None:
        clients = [client_of(alice) for _ in range(4)]
        post = "/api/v1/agents"
        responses = at_once(
            *(partial(client.post, post, BODY, content_type="application/json") for client in clients)
        )
        statuses = [getattr(response, "status_code", response) for response in responses]
        assert statuses.count(201) == 1, statuses
        for status, response in zip(statuses, responses, strict=True):
            if status != 201:
                refused(response, 409, "agent_key_taken")
        assert Agent.objects.get().key == "ana"


class TestChange:
    def test_changes_what_is_sent_and_nothing_else(self, api: Api, agent: Agent, model: LlmModel) -> None:
        before = api.get(f"agents/{agent.pk}").json()
        changes: list[dict[str, Any]] = [
            {"name": "Anna"},
            {"key": "anna"},
            {"role_prompt": ""},
            {"model": "test-model"},
            {"temperature": 0.0},
            {"max_output_tokens": 99},
            {"model": None, "temperature": None, "max_output_tokens": None, "reasoning_effort": None},
            {"reasoning_effort": "none"},
        ]
        for change in changes:
            after = api.patch(f"agents/{agent.pk}", change)
            assert after.status_code == 200, after.content
            before = {**before, **change, "updated_at": after.json()["updated_at"]}
            assert after.json() == before == api.get(f"agents/{agent.pk}").json()

    def test_notes_when(self, api: Api, agent: Agent) -> None:
        before = api.get(f"agents/{agent.pk}").json()
        after = api.patch(f"agents/{agent.pk}", {"name": "Anna"}).json()
        assert after["created_at"] == before["created_at"]
        assert after["updated_at"] > before["updated_at"]

    def test_nothing_sent_is_not_an_error(self, api: Api, agent: Agent) -> None:
        assert api.patch(f"agents/{agent.pk}", {}).json()["name"] == "Ana"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("key", "all"),
            ("key", "A"),
            ("name", ""),
            ("role_prompt", "p" * 20_001),
            ("model", "none"),
            ("temperature", 3),
            ("temperature", "nan"),
            ("max_output_tokens", 1),
        ],
    )
    def test_refuses_what_no_agent_has(self, api: Api, agent: Agent, field: str, value: Any) -> None:
        before = api.get(f"agents/{agent.pk}").json()
        invalid(api.patch(f"agents/{agent.pk}", {"name": "Changed", field: value}), field)
        assert api.get(f"agents/{agent.pk}").json() == before

    def test_keeps_a_model_that_was_switched_off_since(self, api: Api, alice: User, model: LlmModel) -> None:
        agent = make_agent(alice, "ben", model)
        model.enabled = False
        model.save()
        shown = api.patch(f"agents/{agent.pk}", {"name": "Benjamin"}).json()
        assert (shown["name"], shown["model"]) == ("Benjamin", "test-model")


class TestDelete:
    def test_is_gone_from_everywhere_but_the_database(self, api: Api, alice: User, agent: Agent) -> None:
        ben = make_agent(alice, "ben")
        room = make_room(alice, agent, ben)
        assert api.delete(f"agents/{agent.pk}").status_code == 204
        refused(api.get(f"agents/{agent.pk}"), 404, "not_found")
        refused(api.delete(f"agents/{agent.pk}"), 404, "not_found")
        assert [shown["key"] for shown in api.get("agents").json()["results"]] == ["ben"]
        assert [shown["key"] for shown in api.get(f"rooms/{room.pk}").json()["agents"]] == ["ben"]
        assert [shown["key"] for shown in api.get("rooms").json()["results"][0]["agents"]] == ["ben"]
        agent.refresh_from_db()
        assert agent.deleted_at is not None

    def test_nobody_starts_a_session_with_it(self, api: Api, agent: Agent) -> None:
        api.delete(f"agents/{agent.pk}")
        refused(api.post(f"agents/{agent.pk}/sessions"), 404, "not_found")

    def test_nobody_seats_it_again(self, api: Api, alice: User, agent: Agent) -> None:
        room = make_room(alice)
        api.delete(f"agents/{agent.pk}")
        invalid(api.put(f"rooms/{room.pk}/agents", [str(agent.pk)]), "agents")
        invalid(api.patch(f"rooms/{room.pk}", {"agents": [str(agent.pk)]}), "agents")

    def test_what_it_said_can_still_be_read(self, api: Api, alice: User, agent: Agent) -> None:
        session = make_session(alice, agent)
        api.delete(f"agents/{agent.pk}")
        assert api.get(f"sessions/{session.pk}").json()["agent_id"] == str(agent.pk)
        assert api.get(f"sessions/{session.pk}/messages").status_code == 200
