"""Requests that a server finds too long, end to end: answered all the same, billed right, and no session is stuck."""

from __future__ import annotations

import json
from typing import Any

import pytest

from billing.models import Hold, UsageEvent
from orchestration.tests.providers import Answer, ProviderServer
from sessions.models import Summary
from sessions.selectors.calibration import observations
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_model, make_room, make_session
from sessions.tests.support.budgeting import budget, high
from sessions.tests.support.completions import ask as complete
from sessions.tests.support.completions import chunks, client
from sessions.tests.support.councils import EVALUATE, ROUTE, SYNTHESIZE, council, decision
from sessions.tests.support.ledger import assert_ledger_matches, assert_nothing_to_audit

__all__ = ["client"]

pytestmark = pytest.mark.django_db(transaction=True)

WINDOW = 8_192
"""What the server takes; the catalogue has 32,768."""
SUMMARY = json.dumps({"summary_text": "They talked of the roof."})


@pytest.fixture(params=["openai", "anthropic"])
def wire(request: Any) -> str:
    return str(request.param)


@pytest.fixture
def server(request: Any, wire: str) -> ProviderServer:
    server: ProviderServer = request.getfixturevalue(f"{wire}_server")
    server.window = WINDOW
    return server


@pytest.fixture
def model(request: Any, wire: str, server: ProviderServer) -> Any:
    return request.getfixturevalue(f"{wire}_model")


def words(tokens: int) -> str:
    """A text of this many tokens, as server and estimate count them."""
    return "abc " * tokens


def ask(api: Api, url: str, message: str) -> dict[str, Any]:
    response = api.post(url, {"message": message})
    assert response.status_code == 201, response.json()
    return dict(response.json())


def talk(api: Api, url: str, server: ProviderServer, *, turns: int = 6) -> None:
    """Have a conversation that is longer than the server's window."""
    server.window = None
    for _ in range(turns):
        ask(api, url, f"@all {words(2_000)}")
    server.window = WINDOW


def refusals() -> list[UsageEvent]:
    return list(UsageEvent.objects.filter(source="none"))


def test_an_input_that_fits_is_answered_with_a_smaller_output_limit(api, alice, model, server) -> None:
    url = f"sessions/{make_session(alice, make_agent(alice, 'ana', model)).pk}/turns"
    turn = ask(api, url, words(7_000))

    assert (turn["status"], turn["error"]) == ("completed", None)
    first, second = server.served
    assert (first.status, second.status) == (400, 200)
    assert server.output_limit(second.body) < server.output_limit(first.body)
    assert second.body["messages"] == first.body["messages"]
    (refused,) = refusals()
    assert (refused.status, refused.cost_pico, refused.attempt) == ("failed", 0, 1)
    assert_ledger_matches(server)


@pytest.mark.parametrize("mode", ["manual", "roundtable", "orchestrator"])
def test_a_history_that_does_not_fit_is_pruned_in_every_mode(api, alice, model, server, mode) -> None:
    server.when(ROUTE, Answer(decision(("ana", "Speak."), ("bob", "Speak."))), always=True)
    server.when(EVALUATE, Answer(decision(action="synthesize")), always=True)
    server.when(SYNTHESIZE, Answer("Together."), always=True)
    agents = [make_agent(alice, key, model) for key in ("ana", "bob")]
    url = council(alice, agents, mode="manual")
    talk(api, url, server)
    before = len(server.served)

    turn = api.post(url, {"message": "And now, @all?", "mode": mode, "only": None}).json()

    assert (turn["status"], turn["error"]) == ("completed", None)
    assert not any(decided["used_fallback"] for decided in turn["routing"])
    assert {step["attempt"] for step in turn["steps"]} == {1, 2}
    assert [exchange.status for exchange in server.served[before:]].count(400) == len(refusals())
    assert_ledger_matches(server)


def test_the_next_turn_knows_what_the_server_takes(api, alice, model, server) -> None:
    url = council(alice, [make_agent(alice, "ana", model)])
    talk(api, url, server)
    ask(api, url, "@ana And now?")
    assert observations(alice.pk)[model.pk].served_window == WINDOW
    before = len(refusals())
    assert before == 1

    turn = ask(api, url, "@ana And then?")

    assert len(refusals()) == before
    assert turn["steps"][-1]["context"]["window"] == WINDOW


def test_a_summary_that_does_not_fit_is_made_of_shorter_excerpts(api, alice, model, server) -> None:
    server.when("You keep the minutes", Answer(SUMMARY), always=True)
    session = make_session(alice, make_room(alice, make_agent(alice, "ana", model)))
    talk(api, f"sessions/{session.pk}/turns", server)

    assert api.post(f"sessions/{session.pk}/summaries").status_code == 201

    summary = Summary.objects.get()
    assert (summary.used_fallback, summary.text) == (False, "They talked of the roof.")
    assert len(refusals()) == 1
    assert_ledger_matches(server)


def test_a_message_that_fits_no_window_fails_with_both_figures(api, alice, model, server) -> None:
    url = f"sessions/{make_session(alice, make_agent(alice, 'ana', model)).pk}/turns"
    response = api.post(url, {"message": words(9_000)})

    error = response.json()["error"]
    assert (response.status_code, error["code"], error["retryable"]) == (422, "context_overflow", False)
    assert (
        "takes 8,192. Shorten the message, or choose a model with a larger context window."
        in error["message"]
    )
    assert error["details"]["budget_tokens"] == WINDOW
    assert error["details"]["needed_tokens"] > 9_000
    assert f"{error['details']['needed_tokens']:,}" in error["message"]
    assert len(server.served) == 1

    for message in ("thanks", "thanks 1", "thanks 2"):
        assert ask(api, url, message)["status"] == "completed"
    assert len(refusals()) == 1
    assert_ledger_matches(server)


def test_denser_text_than_estimated_does_not_lock_a_session(api, alice, model, server) -> None:
    server.count_input = len
    url = f"sessions/{make_session(alice, make_agent(alice, 'ana', model)).pk}/turns"
    assert api.post(url, {"message": "7" * 14_000}).status_code == 422
    for message in ("thanks", "thanks 1", "thanks 2"):
        assert ask(api, url, message)["status"] == "completed"


def test_a_dense_text_does_not_make_every_later_message_too_long(api, alice, openai_server) -> None:
    model = make_model(openai_server, "small", context_window=WINDOW)
    openai_server.window = WINDOW
    openai_server.count_input = lambda text: len(text) // 4 + text.count("7")
    agent = make_agent(alice, "ana", model, role_prompt=words(3_000))
    url = f"sessions/{make_session(alice, agent).pk}/turns"
    assert api.post(url, {"message": "7" * 8_000}).json()["error"]["code"] == "context_overflow"
    assert observations(alice.pk)[model.pk].calibration > 2
    for message in ("thanks", "thanks 1", "thanks 2"):
        assert ask(api, url, message)["status"] == "completed"


def test_an_output_limit_above_the_models_is_learnt(api, alice, openai_model, openai_server) -> None:
    most = "max_tokens is too large: 2048. This model supports at most 1024 completion tokens."
    openai_server.when(
        lambda body: openai_server.output_limit(body) > 1_024,
        Answer(status=400, error_message=most),
        always=True,
    )
    url = f"sessions/{make_session(alice, make_agent(alice, 'ana', openai_model)).pk}/turns"
    for _ in range(2):
        assert ask(api, url, "Hello")["status"] == "completed"
    assert [exchange.status for exchange in openai_server.served] == [400, 200, 200]
    assert_ledger_matches(openai_server)


def test_an_error_in_a_stream_is_tried_again_too(api, alice, openai_model, openai_server) -> None:
    error = {"message": "prompt is too long: 9000 tokens > 8192 maximum", "code": "context_length_exceeded"}
    url = f"sessions/{make_session(alice, make_agent(alice, 'ana', openai_model)).pk}/turns"
    for _ in range(4):
        ask(api, url, words(2_000))
    openai_server.queue(Answer(body=f"data: {json.dumps({'error': error})}\n\n".encode()))
    turn = ask(api, url, "And now?")
    assert (turn["status"], turn["steps"][-1]["attempt"]) == ("completed", 2)
    (refused,) = refusals()
    assert (refused.cost_pico, refused.flags) == (0, ["context_limit:8192"])


def test_a_server_without_figures_does_not_lock_a_session(api, alice, openai_model, openai_server) -> None:
    openai_server.when(
        lambda body: len(str(body["messages"])) > 9_000,
        Answer(status=413, body=b"<html>Request Entity Too Large</html>", content_type="text/html"),
        always=True,
    )
    url = f"sessions/{make_session(alice, make_agent(alice, 'ana', openai_model)).pk}/turns"
    assert api.post(url, {"message": words(2_000)}).status_code == 201
    for _ in range(3):
        turn = ask(api, url, words(1_000))
        assert (turn["status"], turn["steps"][-1]["attempt"]) == ("completed", 2)


def test_a_window_that_has_grown_is_used_again(api, alice, openai_model, openai_server) -> None:
    openai_server.window = WINDOW
    url = f"sessions/{make_session(alice, make_agent(alice, 'ana', openai_model)).pk}/turns"
    assert api.post(url, {"message": words(9_000)}).status_code == 422
    openai_server.window = None
    ask(api, url, words(9_000))
    assert observations(alice.pk)[openai_model.pk].served_window is None


def test_one_agent_whose_model_is_too_small_fails_alone(
    api, alice, openai_model, openai_server, anthropic_model, anthropic_server
) -> None:
    openai_server.window = WINDOW
    agents = [make_agent(alice, "ana", openai_model), make_agent(alice, "bob", anthropic_model)]
    turn = ask(api, council(alice, agents), f"@all {words(9_000)}")
    assert (turn["status"], turn["error"]["code"]) == ("partial", "context_overflow")
    assert turn["error"]["details"]["agent"] == "ana"
    failed = next(step for step in turn["steps"] if step["agent_key"] == "ana")
    assert failed["error"] == turn["error"]
    assert_nothing_to_audit()


def test_a_hold_pays_for_the_second_try(api, alice, model, server) -> None:
    session = make_session(alice, make_agent(alice, "ana", model))
    message = words(7_000)
    made = budget(high(api, session, message))
    turn = ask(api, f"sessions/{session.pk}/turns", message)
    assert (turn["status"], len(server.served)) == ("completed", 2)
    assert not Hold.objects.filter(resolved_at=None).exists()
    spent = sum(event.cost_pico or 0 for event in UsageEvent.objects.all())
    assert made.periods.get().spent_pico == spent > 0
    assert_ledger_matches(server)


@pytest.mark.parametrize("stream", [False, True])
def test_clients_of_openai_get_both_figures(client, alice, openai_model, openai_server, stream) -> None:
    openai_server.window = WINDOW
    make_agent(alice, "ana", openai_model)
    response = complete(client, "agent:ana", words(9_000), stream=stream)
    error = chunks(response)[-1]["error"] if stream else response.json()["error"]
    assert error["code"] == "context_overflow"
    assert "takes 8,192. Shorten the message" in error["message"]


def test_a_client_with_a_long_history_is_answered(client, alice, openai_model, openai_server) -> None:
    openai_server.window = WINDOW
    make_agent(alice, "ana", openai_model)
    roles = ("user", "assistant") * 4
    history = [{"role": role, "content": words(1_500)} for role in roles]
    response = complete(client, "agent:ana", [*history, {"role": "user", "content": "And now?"}])
    assert response.status_code == 200
    assert len(refusals()) == 1
