"""New versions of a turn, and forks, end to end."""

from __future__ import annotations

import json

import pytest

from billing.models import UsageEvent
from orchestration.tests.providers import Answer
from sessions.models import RoomAgent, Turn
from sessions.tests.factories import make_agent, make_model
from sessions.tests.support.councils import ROUTE, SYNTHESIZE, council, decision, last_text, says
from sessions.tests.support.ledger import assert_ledger_matches

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def agents(alice, openai_model):
    return [make_agent(alice, key, openai_model) for key in ("ana", "bob", "cy")]


def test_retry_asks_only_those_who_failed_and_keeps_the_rest(api, alice, agents, openai_server) -> None:
    openai_server.when(says("bob"), Answer(status=401), Answer("Bob at last."))
    path = council(alice, agents, mode="roundtable")
    first = api.post(path, {"message": "Go"}).json()
    assert first["status"] == "partial"
    served = len(openai_server.served)
    again = api.post(f"turns/{first['id']}/retry")
    assert again.status_code == 201, again.content
    turn = again.json()
    assert (turn["status"], turn["replaces"], turn["index"]) == ("completed", first["id"], 2)
    assert [message["agent_key"] for message in turn["messages"]] == ["ana", "bob", "cy"]
    assert turn["messages"][0]["text"] == first["messages"][0]["text"]
    assert turn["messages"][0]["id"] != first["messages"][0]["id"]
    assert turn["usage"]["calls"] == 1
    assert len(openai_server.served) == served + 1
    assert api.post(f"turns/{turn['id']}/retry").status_code == 422
    assert api.post(f"turns/{first['id']}/rerun").json()["error"]["code"] == "turn_conflict"
    assert_ledger_matches(openai_server)


def test_a_rerun_leaves_the_old_version_out_of_the_context(api, alice, agents, openai_server) -> None:
    path = council(alice, agents, mode="roundtable")
    openai_server.queue(*(Answer("Old answer.") for _ in range(3)))
    first = api.post(path, {"message": "First question"}).json()
    turn = api.post(f"turns/{first['id']}/rerun", {"message": "Better question"}).json()
    assert turn["message"] == "Better question"
    assert turn["usage"]["calls"] == 3
    told = json.dumps([served.body["messages"] for served in openai_server.served[3:]])
    assert "Old answer." not in told
    assert "First question" not in told
    session = path.removesuffix("/turns")
    shown = api.get(f"{session}/messages").json()["results"]
    assert {message["turn_id"] for message in shown} == {turn["id"]}
    assert len(api.get(f"{session}/messages?all_versions=true").json()["results"]) == 8


def test_a_rerun_can_ask_one_agent_again_on_another_model(api, alice, agents, openai_server) -> None:
    make_model(openai_server, "other-model")
    path = council(alice, agents, mode="roundtable")
    first = api.post(path, {"message": "Go"}).json()
    body = {"agents": ["bob"], "model": "other-model"}
    turn = api.post(f"turns/{first['id']}/rerun", body).json()
    assert [message["model"] for message in turn["messages"]] == ["gpt-test", "other-model", "gpt-test"]
    assert turn["usage"]["calls"] == 1
    refused: list[dict[str, object]] = [
        {"agents": ["nobody"]},
        {"agents": []},
        {"model": "unknown"},
        {"mode": "summary"},
        {"message": " "},
    ]
    for bad in refused:
        response = api.post(f"turns/{turn['id']}/rerun", bad)
        assert (response.status_code, response.json()["error"]["code"]) == (422, "validation_error"), bad


def test_a_rerun_can_ask_somebody_who_was_not_tagged(api, alice, agents, openai_server) -> None:
    first = api.post(council(alice, agents), {"message": "@ana what now?"}).json()
    turn = api.post(f"turns/{first['id']}/rerun", {"agents": ["cy"]}).json()
    assert [message["agent_key"] for message in turn["messages"]] == ["ana", "cy"]
    assert turn["usage"]["calls"] == 1


def test_a_retry_of_a_turn_on_which_nobody_answered_asks_everybody(api, alice, agents, openai_server) -> None:
    openai_server.queue(*(Answer(status=401) for _ in range(3)))
    failed = api.post(council(alice, agents, mode="roundtable"), {"message": "Go"})
    assert failed.status_code == 502
    turn = api.post(f"turns/{failed.json()['error']['details']['turn_id']}/retry").json()
    assert (turn["status"], turn["usage"]["calls"]) == ("completed", 3)


def test_only_a_failed_synthesis_is_repeated(api, alice, agents, openai_server) -> None:
    openai_server.when(ROUTE, Answer(decision(("ana", ""), ("bob", ""))))
    openai_server.when(SYNTHESIZE, Answer(status=400), Answer("Together."))
    first = api.post(council(alice, agents, mode="orchestrator"), {"message": "Go"}).json()
    turn = api.post(f"turns/{first['id']}/retry").json()
    assert turn["status"] == "completed"
    assert [step["purpose"] for step in turn["steps"]] == ["synthesize"]
    assert turn["messages"][-1]["text"] == "Together."
    assert len(turn["messages"]) == 3


def test_who_is_asked_again_is_asked_what_the_manager_wanted(api, alice, agents, openai_server) -> None:
    openai_server.when(ROUTE, Answer(decision(("ana", "Weigh the costs."), ("bob", "Name the risks."))))
    openai_server.when(says("bob"), Answer(status=400), Answer(status=400), Answer("Risky."))

    def first_told(turn, action, body=None):
        served = len(openai_server.served)
        version = api.post(f"turns/{turn['id']}/{action}", body).json()
        return version, last_text(openai_server.served[served].body)

    turn = api.post(council(alice, agents, mode="orchestrator"), {"message": "Go"}).json()
    for _ in range(2):
        turn, told = first_told(turn, "retry")
        assert told.endswith("Name the risks.")
        assert turn["routing"][0]["selections"] == [{"agent_key": "bob", "instruction": "Name the risks."}]
    turn, told = first_told(turn, "rerun", {"agents": ["ana"]})  # whose answer was carried over all that time
    assert told.endswith("Weigh the costs.")
    _, told = first_told(turn, "rerun", {"message": "@bob And now?"})
    assert told.endswith("And now?")


def test_a_new_version_is_idempotent_and_nobody_elses(
    api, stranger, anonymous, alice, agents, openai_server
) -> None:
    path = council(alice, agents, mode="roundtable")
    first = api.post(path, {"message": "Go"}).json()
    for action in ("retry", "rerun"):
        assert anonymous.post(f"turns/{first['id']}/{action}").status_code == 401
        assert stranger.post(f"turns/{first['id']}/{action}").status_code == 404
    one = api.post(f"turns/{first['id']}/rerun", headers={"Idempotency-Key": "k"})
    two = api.post(f"turns/{first['id']}/rerun", headers={"Idempotency-Key": "k"})
    assert one.json() == two.json()
    assert two["Idempotent-Replayed"] == "true"
    assert Turn.objects.count() == 2


def test_a_known_key_comes_before_all_that_may_be_refused_by_now(api, alice, agents, openai_server) -> None:
    first = api.post(council(alice, agents, mode="roundtable"), {"message": "Go"}).json()
    path, headers = f"turns/{first['id']}/rerun", {"Idempotency-Key": "k"}
    one = api.post(path, {"agents": ["bob"]}, headers=headers)
    assert one.status_code == 201
    RoomAgent.objects.all().delete()
    two = api.post(path, {"agents": ["bob"]}, headers=headers)
    assert (two.status_code, two.json()["id"]) == (201, one.json()["id"])
    other = api.post(path, {"agents": ["nobody"]}, headers=headers)
    assert other.json()["error"]["code"] == "idempotency_mismatch"


def test_a_fork_continues_from_an_earlier_turn_at_no_cost(
    api, stranger, anonymous, alice, agents, openai_server
) -> None:
    path = council(alice, agents, mode="roundtable")
    session = path.removesuffix("/turns")
    first = api.post(path, {"message": "First"}).json()
    api.post(f"turns/{first['id']}/rerun", {"message": "First, better"})
    api.post(path, {"message": "Second"})
    events = UsageEvent.objects.count()
    fork = api.post(f"{session}/fork", {"after_turn": 2})
    assert fork.status_code == 201
    assert fork.json()["title"].startswith("Branch of ")
    turns = api.get(f"sessions/{fork.json()['id']}/turns").json()["results"]
    assert [(turn["index"], turn["message"], turn["usage"]["calls"]) for turn in turns] == [
        (1, "First, better", 0)
    ]
    assert UsageEvent.objects.count() == events
    served = len(openai_server.served)
    turn = api.post(f"sessions/{fork.json()['id']}/turns", {"message": "Third"}).json()
    assert turn["index"] == 2
    told = json.dumps([exchange.body["messages"] for exchange in openai_server.served[served:]])
    assert "First, better" in told
    assert "Second" not in told
    assert api.post(f"{session}/fork", {"after_turn": 0}).status_code == 201
    untitled = council(alice, agents).removesuffix("/turns")
    assert api.post(f"{untitled}/fork", {"after_turn": 0}).json()["title"] == ""
    for bad in (9, 1, -1, "x"):
        assert api.post(f"{session}/fork", {"after_turn": bad}).status_code == 422
    assert stranger.post(f"{session}/fork", {"after_turn": 0}).status_code == 404
    assert anonymous.post(f"{session}/fork", {"after_turn": 0}).status_code == 401
