"""Summaries: created in a turn or on demand, continued, edited, pinned; nothing is lost when they fail."""

from __future__ import annotations

import json
from typing import Any

import pytest

from billing.models import UsageEvent
from orchestration.tests.providers import Answer, Gate, OpenAIServer
from sessions.models import Summary, Turn
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_model, make_room, make_session
from sessions.tests.support.ledger import assert_ledger_matches

pytestmark = pytest.mark.django_db(transaction=True)

MINUTES = "You keep the minutes"


@pytest.fixture(autouse=True)
def eager(settings):
    """Summarize every two turns, keep one verbatim."""
    settings.PANTHEON_SUMMARY_EVERY_TURNS = 2
    settings.PANTHEON_VERBATIM_TURNS = 1
    settings.PANTHEON_PROVIDER_RETRY_BASE_S = 0.01


@pytest.fixture
def session(alice, openai_model):
    agents = [make_agent(alice, key, openai_model) for key in ("ana", "bob")]
    return make_session(alice, make_room(alice, *agents, mode="roundtable"))


def summary_text(text: str, **lists: list[dict[str, Any]]) -> str:
    return json.dumps({"summary_text": text, **lists})


def ask(api: Api, session, message: str) -> dict[str, Any]:
    response = api.post(f"sessions/{session.pk}/turns", {"message": message})
    assert response.status_code == 201, response.content
    return response.json()


def system_of(server: OpenAIServer, number: int) -> str:
    return str(server.served[number].body["messages"][0]["content"])


def test_older_turns_are_summarized_beside_the_answers_and_committed_with_them(
    api, session, openai_server
) -> None:
    decided = {"text": "Ana decided on Lisbon.", "message_seq": 2}
    openai_server.when(MINUTES, Answer(summary_text("They plan a trip.", decisions=[decided])))
    assert ask(api, session, "Where to?")["summary_triggered"] is False
    assert ask(api, session, "When?")["summary_triggered"] is False
    turn = ask(api, session, "How?")
    assert turn["summary_triggered"] is True
    assert turn["usage"]["by_purpose"].keys() == {"reply", "summarize"}
    summary = Summary.objects.get()
    assert (summary.from_seq, summary.through_seq, summary.text) == (1, 3, "They plan a trip.")
    assert summary.decisions == [{"text": "Ana decided on Lisbon.", "message_seq": 2, "pinned": False}]
    assert str(summary.turn_id) == turn["id"]
    told = next(s.body["messages"][1]["content"] for s in openai_server.served if MINUTES in str(s.body))
    assert "#1 User: Where to?" in told
    assert "#2 Ana (@ana):" in told
    before = len(openai_server.served)
    ask(api, session, "And then?")
    reply = next(s.body for s in openai_server.served[before:] if MINUTES not in str(s.body))
    assert "They plan a trip." in reply["messages"][0]["content"]
    assert "Ana decided on Lisbon." in reply["messages"][0]["content"]
    assert "Where to?" not in json.dumps(reply["messages"][1:])
    assert_ledger_matches(openai_server)


@pytest.mark.parametrize("broken", ["no json", '{"key_facts": []}', "[]"])
def test_an_unusable_summary_is_requested_once_more_and_then_made_without_a_model(
    api, session, openai_server, broken
) -> None:
    openai_server.when(MINUTES, Answer(broken), always=True)
    for message in ("Where to?", "When?", "How?"):
        turn = ask(api, session, message)
    assert turn["status"] == "completed"
    assert [step["status"] for step in turn["steps"] if step["purpose"] == "summarize"] == ["ok", "ok"]
    summary = Summary.objects.get()
    assert summary.used_fallback
    assert "User: Where to?" in summary.text
    assert "Ana (@ana): Hello from the test server." in summary.text
    assert summary.decisions == []
    assert_ledger_matches(openai_server)


def test_a_failed_summary_does_not_count_against_the_turn(api, session, openai_server) -> None:
    openai_server.when(MINUTES, Answer(status=401), always=True)
    for message in ("Where to?", "When?", "How?"):
        turn = ask(api, session, message)
    assert turn["status"] == "completed"
    assert Summary.objects.get().used_fallback


def test_a_context_that_would_not_fit_is_summarized_first(api, alice, openai_server, settings) -> None:
    settings.PANTHEON_SUMMARY_EVERY_TURNS = 100
    model = make_model(openai_server, "small", context_window=8_192, max_output_tokens=1_000)
    session = make_session(alice, make_agent(alice, "solo", model))
    openai_server.when(MINUTES, Answer(summary_text("Long stories were told.")))
    for number in range(3):
        ask(api, session, f"Story {number}: " + "word " * 1_900)
    ask(api, session, "And now?")
    purposes = [("minutes" if MINUTES in str(s.body) else "reply") for s in openai_server.served]
    assert "minutes" in purposes
    place = purposes.index("minutes")
    assert "Long stories were told." in system_of(openai_server, place + 1)


def test_summarize_now(api, stranger, anonymous, session, openai_server) -> None:
    path = f"sessions/{session.pk}/summaries"
    assert api.post(path).status_code == 422
    openai_server.when(
        MINUTES, Answer(summary_text("So far so good.", key_facts=[{"text": "Fact.", "message_seq": 99}]))
    )
    ask(api, session, "Where to?")
    response = api.post(path)
    assert response.status_code == 201, response.content
    summary = response.json()
    assert (summary["text"], summary["from_seq"], summary["through_seq"]) == ("So far so good.", 1, 3)
    assert summary["key_facts"] == [{"text": "Fact.", "message_seq": None, "pinned": False}]
    assert api.get(path).json()["results"] == [summary]
    turns = api.get(f"sessions/{session.pk}/turns").json()["results"]
    assert [turn["index"] for turn in turns] == [1]
    assert UsageEvent.objects.get(purpose="summarize").mode == "summary"
    assert api.post(path).status_code == 422
    assert ask(api, session, "Next")["index"] == 2
    for method in ("get", "post"):
        assert getattr(stranger, method)(path).status_code == 404
        assert getattr(anonymous, method)(path).status_code == 401
    assert_ledger_matches(openai_server)


def test_summarize_now_runs_alone_and_once(api, session, openai_server) -> None:
    gate = Gate()
    ask(api, session, "Where to?")
    openai_server.when(MINUTES, Answer(summary_text("Good."), head_gate=gate))
    path = f"sessions/{session.pk}/summaries"
    first = api.post(path, {"background": True}, headers={"Idempotency-Key": "k"})
    assert first.status_code == 202
    again = api.post(path, {"background": True}, headers={"Idempotency-Key": "k"})
    assert again.json()["id"] == first.json()["id"]
    assert api.post(path).json()["error"]["code"] == "turn_in_progress"
    response = api.post(f"sessions/{session.pk}/turns", {"message": "Now?"})
    assert response.json()["error"]["code"] == "turn_in_progress"
    gate.open()
    done = api.post(path, {"background": True}, headers={"Idempotency-Key": "k"})
    assert done.status_code in (201, 202)
    assert Turn.objects.filter(mode="summary").count() == 1


def test_a_summary_made_without_a_model_is_repeated(api, session, openai_server) -> None:
    path = f"sessions/{session.pk}/summaries"
    fact = {"text": "The budget is 100.", "message_seq": 1}
    openai_server.when(MINUTES, Answer(summary_text("One.", key_facts=[fact])))
    ask(api, session, "Where to?")
    api.post(path)
    ask(api, session, "When?")
    openai_server.when(MINUTES, Answer("no json"), Answer("no json"))
    fallback = api.post(path).json()
    assert (fallback["from_seq"], fallback["through_seq"], fallback["used_fallback"]) == (4, 6, True)
    assert fallback["fallback_reason"] == "not_json"
    pinned = {"text": "Not on Sundays.", "message_seq": 4, "pinned": True}
    api.patch(f"summaries/{fallback['id']}", {"text": "Edited.", "decisions": [pinned]})

    openai_server.when(MINUTES, Answer("no json"), Answer("no json"))
    again = api.post(path)
    assert (again.status_code, again.json()["id"], again.json()["text"]) == (201, fallback["id"], "Edited.")

    openai_server.when(MINUTES, Answer(summary_text("Two.")))
    made = api.post(path).json()
    assert (made["from_seq"], made["through_seq"], made["used_fallback"]) == (4, 6, False)
    assert made["fallback_reason"] is None
    assert (made["text"], made["decisions"]) == ("Two.", [pinned])
    assert [row["text"] for row in api.get(path).json()["results"]] == ["Two.", "One."]
    told = [s.body["messages"][1]["content"] for s in openai_server.served if MINUTES in str(s.body)][-1]
    for part in ("One.", "The budget is 100. (message 1)", "Not on Sundays.", "#4 User: When?"):
        assert part in told
    assert "Edited." not in told
    assert api.post(path).status_code == 422
    assert_ledger_matches(openai_server)


def test_a_repeated_summary_covers_all_that_no_model_summarized(api, session, openai_server) -> None:
    path = f"sessions/{session.pk}/summaries"
    openai_server.when(MINUTES, *[Answer("no json")] * 4)
    for message in ("Where to?", "When?"):
        ask(api, session, message)
        assert api.post(path).json()["used_fallback"]
    ask(api, session, "How?")
    openai_server.when(MINUTES, Answer(summary_text("All.")))
    made = api.post(path).json()
    assert (made["from_seq"], made["through_seq"], made["text"]) == (1, 9, "All.")
    assert api.get(path).json()["results"] == [made]
    assert_ledger_matches(openai_server)


def test_pinned_items_are_in_every_later_summary(api, stranger, anonymous, session, openai_server) -> None:
    path = f"sessions/{session.pk}/summaries"
    fact = {"text": "The budget is 100.", "message_seq": 1}
    openai_server.when(MINUTES, Answer(summary_text("One.", key_facts=[fact])), Answer(summary_text("Two.")))
    ask(api, session, "Where to?")
    first = api.post(path).json()
    item = {**fact, "text": "The budget is 120.", "pinned": True}
    assert stranger.patch(f"summaries/{first['id']}", {"key_facts": [item]}).status_code == 404
    assert anonymous.patch(f"summaries/{first['id']}", {"key_facts": [item]}).status_code == 401
    long = api.patch(f"summaries/{first['id']}", {"key_facts": [{}] * 1_000})
    assert long.status_code == 422
    assert list(long.json()["error"]["details"]["fields"]) == ["key_facts.non_field_errors"]
    changed = api.patch(f"summaries/{first['id']}", {"key_facts": [item], "text": "One, mended."})
    assert changed.status_code == 200
    assert (changed.json()["text"], changed.json()["key_facts"]) == ("One, mended.", [item])
    ask(api, session, "And when?")
    second = api.post(path).json()
    assert second["text"] == "Two."
    assert second["key_facts"] == [item]
    told = [s.body["messages"][1]["content"] for s in openai_server.served if MINUTES in str(s.body)]
    assert "One, mended." in told[1]


@pytest.mark.parametrize(
    "body",
    [
        {"text": " "},
        {"key_facts": [{"text": ""}]},
        {"key_facts": [{"text": "x" * 601}]},
        {"key_facts": [{"text": "x"}] * 41},
        {"decisions": [{"text": "x", "message_seq": 99}]},
        {"decisions": "x"},
        {"action_items": [{"pinned": True}]},
    ],
)
def test_bad_edits_are_refused(api, session, openai_server, body) -> None:
    openai_server.when(MINUTES, Answer(summary_text("One.")))
    ask(api, session, "Where to?")
    summary = api.post(f"sessions/{session.pk}/summaries").json()
    response = api.patch(f"summaries/{summary['id']}", body)
    assert (response.status_code, response.json()["error"]["code"]) == (422, "validation_error")
    assert Summary.objects.get().text == "One."


def test_estimates_are_calibrated_by_what_the_provider_counted(api, session, openai_server) -> None:
    from orchestration.engine.specs import Usage

    openai_server.default = Answer("Fine.", usage=Usage(input=400, output=5))
    first = ask(api, session, "Where to?")["steps"][0]["context"]
    second = ask(api, session, "Where to?")["steps"][0]["context"]
    assert first["estimate_raw"] == first["estimate_after"]
    assert second["estimate_after"] > 1.5 * second["estimate_raw"]
    assert {"window", "input_budget", "estimate_before", "summarized", "pruned"} <= second.keys()
