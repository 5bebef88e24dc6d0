"""The journal: durable by default and reported as such, in memory as an option with a warning."""

from __future__ import annotations

import pytest
from django.db import DatabaseError

from accounts.tests.support.bodies import body_of
from billing.models import UsageEvent
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.live.journal import JournalState
from sessions.models import Call
from sessions.services.calls import journal_check
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.councils import ROUTE, SYNTHESIZE, decision, says
from sessions.tests.support.ledger import assert_ledger_matches
from sessions.tests.support.server_process import ServerProcess, until
from sessions.tests.support.stalls import refused

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def in_memory(settings) -> None:
    settings.PANTHEON_JOURNAL = "memory"


@pytest.fixture
def turns(alice, openai_model) -> str:
    agents = [make_agent(alice, key, openai_model) for key in ("ana", "bob")]
    session = make_session(alice, make_room(alice, *agents, mode="orchestrator", goal="Decide."))
    return f"sessions/{session.pk}/turns"


def script(server: OpenAIServer) -> None:
    server.when(ROUTE, Answer(decision(("ana", "Speak."), ("bob", "Speak."))))
    server.when(SYNTHESIZE, Answer("Together."))


# --- Durable ----------------------------------------------------------------------------------------------------------


def test_trying_the_journal_leaves_nothing() -> None:
    journal_check()
    assert not Call.objects.exists()


def test_the_durable_journal_is_logged_once_and_tested_once(caplog) -> None:
    state = JournalState()
    with caplog.at_level("INFO", logger="sessions.live.journal"):
        state.open()
        state.open()
    [record] = caplog.records
    assert (record.levelname, record.message.startswith("journal: database")) == ("INFO", True)
    with refused("INSERT ON chat_sessions_call"):
        assert state.check() == "database"


def test_a_journal_that_cannot_be_written_is_tried_again(caplog) -> None:
    state = JournalState()
    with refused("INSERT ON chat_sessions_call"):
        state.open()
        with pytest.raises(DatabaseError):
            state.check()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert state.check() == "database"


@pytest.mark.usefixtures("nobody_runs")
def test_ready_reports_a_journal_that_cannot_be_written(tmp_path) -> None:
    with refused("INSERT ON chat_sessions_call"), ServerProcess(tmp_path, "") as server:
        status, body = server.get("ready")
        assert (status, body["checks"]["journal"], body["checks"]["database"]) == (503, "failed", "ok")
        until(lambda: "journal: database, which cannot be written" in server.log())
    with ServerProcess(tmp_path, "") as server:
        status, body = server.get("ready")
        assert (status, body["status"], body["checks"]["journal"]) == (200, "ok", "database")
        until(lambda: "INFO sessions.live.journal: journal: database" in server.log())


# --- In memory --------------------------------------------------------------------------------------------------------


def test_the_memory_journal_is_warned_of(in_memory, caplog, client) -> None:
    JournalState().open()
    assert [(record.levelname, "journal: memory" in record.message) for record in caplog.records] == [
        ("WARNING", True)
    ]
    response = client.get("/api/v1/ready")
    assert (response.status_code, response.json()["checks"]["journal"]) == (200, "memory")


@pytest.mark.usefixtures("in_memory")
def test_calls_in_memory_are_written_with_the_commit(api: Api, turns, openai_server: OpenAIServer) -> None:
    gate = Gate()
    script(openai_server)
    openai_server.when(says("ana"), Answer(["I am", " ana."], at={1: Hold(gate)}))
    turn_id = api.post(turns, {"message": "Shall we?", "background": True}).json()["id"]
    gate.wait_until_reached()
    assert not Call.objects.exists()
    gate.open()
    body_of(api.get(f"turns/{turn_id}/events"))
    turn = api.get(f"turns/{turn_id}").json()
    assert turn["status"] == "completed"
    assert [step["purpose"] for step in turn["steps"]] == ["route", "reply", "reply", "synthesize"]
    assert sorted(Call.objects.values_list("number", flat=True)) == [1, 2, 3, 4]
    assert_ledger_matches(openai_server)


@pytest.mark.usefixtures("in_memory")
def test_failed_and_cancelled_calls_in_memory_are_billed(api: Api, turns, openai_server) -> None:
    gate = Gate()
    script(openai_server)
    openai_server.when(says("ana"), Answer(status=401), always=True)
    openai_server.when(says("bob"), Answer(["I am", " bob."], at={1: Hold(gate)}))
    turn_id = api.post(turns, {"message": "Shall we?", "background": True}).json()["id"]
    gate.wait_until_reached()
    api.post(f"turns/{turn_id}/cancel")
    body_of(api.get(f"turns/{turn_id}/events"))
    assert api.get(f"turns/{turn_id}").json()["status"] == "cancelled"
    assert sorted(UsageEvent.objects.values_list("status", flat=True)) == ["cancelled", "failed", "ok"]
    assert_ledger_matches(openai_server)
