"""Titles: the message without its tags at once, then a short one by a model: metered, within the budget, renameable."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.tests.support.bodies import body_of
from billing.models import ModelPrice, UsageEvent
from orchestration.tests.providers import Answer, Gate, OpenAIServer
from sessions.models import Call, ChatSession, Turn
from sessions.services.chats import session_rename
from sessions.tests.factories import make_agent, make_model, make_room, make_session
from sessions.tests.support.budgeting import budget, high
from sessions.tests.support.councils import says
from sessions.tests.support.ledger import assert_ledger_matches
from sessions.tests.support.server_process import until

pytestmark = pytest.mark.django_db(transaction=True)

TITLES = "You write titles"
MESSAGE = "@all Should we rent the corner shop?"
DRAFT = "Should we rent the corner shop?"
TITLE_CALL = Call.objects.filter(purpose="title", status="ok")
"""Answers wait for it in tests that hold the title back: one that is late is given up."""


@pytest.fixture(autouse=True)
def titles(settings):
    settings.PANTHEON_TITLES = True
    settings.PANTHEON_PROVIDER_RETRY_BASE_S = 0.01


@pytest.fixture
def session(alice, openai_model):
    agents = [make_agent(alice, key, openai_model) for key in ("ana", "bob")]
    return make_session(alice, make_room(alice, *agents))


def ask(api, session, message: str = MESSAGE, **fields: Any) -> dict[str, Any]:
    response = api.post(f"sessions/{session.pk}/turns", {"message": message, **fields})
    assert response.status_code in (201, 202), response.content
    return response.json()


def title_of(session: ChatSession) -> str:
    return ChatSession.objects.get(pk=session.pk).title


def title_calls(server: OpenAIServer) -> int:
    return sum(TITLES in str(served.body["messages"]) for served in server.served)


def test_the_first_turn_writes_a_title_that_is_a_call_of_its_own(api, session, openai_server) -> None:
    openai_server.when(TITLES, Answer("**Renting the corner shop**"))
    turn = ask(api, session)
    assert title_of(session) == "Renting the corner shop"
    found = api.get("search?q=renting").json()["results"]
    assert [result["session_id"] for result in found] == [str(session.pk)]
    assert turn["usage"]["calls"] == len(openai_server.served) == 3
    assert turn["usage"]["by_purpose"].keys() == {"reply", "title"}
    event = UsageEvent.objects.get(purpose="title")
    assert (event.agent_key, event.status, str(event.turn_id)) == ("", "ok", turn["id"])
    assert [message["purpose"] for message in turn["messages"]] == ["reply", "reply"]
    ask(api, session, "@ana And then?")
    assert title_calls(openai_server) == 1
    assert_ledger_matches(openai_server)


def test_the_message_is_the_title_until_then(api, session, openai_server) -> None:
    gate, answers = Gate(), Gate()
    openai_server.when(TITLES, Answer("Renting", head_gate=gate))
    openai_server.default = Answer("Yes.", head_gate=answers)
    turn = ask(api, session, background=True)
    gate.wait_until_reached()
    assert title_of(session) == DRAFT
    gate.open()
    until(TITLE_CALL.exists)
    answers.open()
    body_of(api.get(f"turns/{turn['id']}/events"))
    assert title_of(session) == "Renting"


def test_a_rename_in_the_meantime_stays(api, session, openai_server) -> None:
    gate, answers = Gate(), Gate()
    openai_server.when(TITLES, Answer("Renting", head_gate=gate))
    openai_server.default = Answer("Yes.", head_gate=answers)
    turn = ask(api, session, background=True)
    gate.wait_until_reached()
    session_rename(session=session, title="Mine")
    gate.open()
    until(TITLE_CALL.exists)
    answers.open()
    body_of(api.get(f"turns/{turn['id']}/events"))
    assert title_of(session) == "Mine"
    assert_ledger_matches(openai_server)


def test_a_session_with_a_title_gets_no_other(api, session, openai_server) -> None:
    session_rename(session=session, title="Mine")
    ask(api, session)
    assert (title_of(session), title_calls(openai_server)) == ("Mine", 0)


def test_titles_can_be_switched_off(api, session, openai_server, settings) -> None:
    settings.PANTHEON_TITLES = False
    ask(api, session)
    assert (title_of(session), title_calls(openai_server)) == (DRAFT, 0)


@pytest.mark.parametrize(
    "broken", [Answer("***"), Answer("<think>Only a thought</think>"), Answer(status=500), Answer(status=400)]
)
def test_without_a_usable_title_the_message_stays(api, session, openai_server, broken) -> None:
    openai_server.when(TITLES, broken)
    turn = ask(api, session)
    assert (turn["status"], title_of(session)) == ("completed", DRAFT)
    assert title_calls(openai_server) == 1
    assert_ledger_matches(openai_server)


def test_a_hostile_title_is_one_bounded_line(api, session, openai_server) -> None:
    openai_server.when(TITLES, Answer("# <script>\u202e" + "[x](javascript:1) " * 500 + "\nmore"))
    ask(api, session)
    title = title_of(session)
    assert 0 < len(title) <= 80
    assert not set("<>[]#\n\u202e") & set(title)


class TestBudgets:
    """A title is held, and costs no answer."""

    def test_what_fits_with_its_title_gets_one(self, api, session, openai_server) -> None:
        openai_server.when(TITLES, Answer("Renting"))
        made = budget(high(api, session, MESSAGE))
        ask(api, session)
        assert title_of(session) == "Renting"
        assert made.periods.get().held_pico == 0
        assert_ledger_matches(openai_server)

    def test_what_fits_without_a_title_is_answered_without_one(self, api, session, openai_server) -> None:
        budget(high(api, session, MESSAGE) - 1)
        turn = ask(api, session)
        assert (turn["status"], turn["usage"]["calls"]) == ("completed", 2)
        assert (title_of(session), title_calls(openai_server)) == (DRAFT, 0)
        assert_ledger_matches(openai_server)

    @pytest.mark.parametrize("priced", [True, False])
    def test_free_answers_are_given_though_their_title_costs_too_much(
        self, api, alice, settings, openai_server, priced
    ) -> None:
        make_model(openai_server, "scribe", priced=priced)
        settings.PANTHEON_SUMMARIZER_MODEL = "scribe"
        free = make_model(alias="free", priced=False)
        ModelPrice.objects.create(
            model=free, effective_from="2026-01-01T00:00:00Z", source="test", input_pico=0, output_pico=0,
            cache_read_pico=0, cache_write_5m_pico=0, cache_write_1h_pico=0,
        )  # fmt: skip
        session = make_session(alice, make_room(alice, make_agent(alice, "ana", free)))
        budget(1)
        turn = ask(api, session)
        assert (turn["status"], turn["usage"]["calls"]) == ("completed", 1)
        assert openai_server.served == []

    def test_an_unavailable_summarizer_refuses_nothing(self, api, session, openai_server, settings) -> None:
        settings.PANTHEON_SUMMARIZER_MODEL = "gone"
        assert ask(api, session)["status"] == "completed"
        assert (title_of(session), title_calls(openai_server)) == (DRAFT, 0)


def test_a_stopped_turn_bills_its_title_too(api, session, openai_server) -> None:
    gate = Gate()
    openai_server.when(TITLES, Answer("Renting", head_gate=gate))
    openai_server.when(says("ana"), Answer("Never", head_gate=Gate()))
    turn = ask(api, session, background=True)
    gate.wait_until_reached()
    assert api.post(f"turns/{turn['id']}/cancel").status_code == 202
    body_of(api.get(f"turns/{turn['id']}/events"))
    assert Turn.objects.get().status == "cancelled"
    assert title_of(session) == DRAFT
    assert_ledger_matches(openai_server)


def test_requests_of_the_openai_endpoint_have_no_title(api, session, openai_server) -> None:
    body = {"model": f"room:{session.room_id}", "messages": [{"role": "user", "content": "Hello"}]}
    response = api.client.post("/v1/chat/completions", body, content_type="application/json")
    assert response.status_code == 200
    assert (len(openai_server.served), title_calls(openai_server)) == (2, 0)


def test_the_demo_model_writes_titles_that_read_well(api, alice) -> None:
    session = make_session(alice, make_room(alice, make_agent(alice, "ana", make_model(alias="demo-2"))))
    ask(api, session, "@all Should we rent the corner shop, or build a web shop first?")
    assert title_of(session) == "Rent the corner shop, or build a web"
