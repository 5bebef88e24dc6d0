"""The ledger equals the usage that a provider reports, in every kind of failure."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.tests.support.bodies import body_of
from billing.fields import usd_text
from billing.models import ModelPrice, UsageEvent
from billing.services.reprice import events_reprice
from orchestration.engine.specs import Usage
from orchestration.tests.providers import (
    Answer,
    Cut,
    ErrorEvent,
    Garbage,
    Gate,
    Hold,
    OpenAIServer,
    ProviderServer,
    Silence,
)
from sessions.admin.turns import with_cost
from sessions.models import Call, Message, Turn
from sessions.selectors.pages import SessionTotal, session_total, turn_rows
from sessions.selectors.turns import terminal_fields
from sessions.tests.conftest import Api
from sessions.tests.factories import RATES, make_agent, make_model, make_room, make_session
from sessions.tests.support.ledger import assert_ledger_matches
from sessions.tests.support.waiting import wait_for_event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fast_retries(settings):
    settings.PANTHEON_PROVIDER_RETRY_BASE_S = 0.01


@pytest.fixture
def impatient(settings):
    """For silence alone: on a busy machine a talking server may well be silent for as long."""
    settings.PANTHEON_PROVIDER_FIRST_TOKEN_TIMEOUT_S = 0.5
    settings.PANTHEON_PROVIDER_BETWEEN_TOKENS_TIMEOUT_S = 0.3


@pytest.fixture(params=["openai", "anthropic"])
def server(request) -> ProviderServer:
    return request.getfixturevalue(f"{request.param}_server")


@pytest.fixture
def session(alice, server):
    kind = "openai" if isinstance(server, OpenAIServer) else "anthropic"
    return make_session(alice, make_agent(alice, "ana", make_model(server, f"{kind}-model", kind=kind)))


def ask(api: Api, session, message: str = "hello"):
    return api.post(f"sessions/{session.pk}/turns", {"message": message})


@pytest.mark.parametrize(
    "usage",
    [
        Usage(input=120, output=30),
        Usage(input=20, cache_read=1000, output=30),
        Usage(input=20, cache_read=7, output=30, reasoning=25),
    ],
)
def test_usage_is_billed_as_the_provider_reports_it(api, session, server, usage) -> None:
    server.queue(Answer("One two three.", usage=usage))
    assert ask(api, session).status_code == 201
    assert_ledger_matches(server)
    (event,) = UsageEvent.objects.all()
    expected = usage.input * 2_000_000 + usage.cache_read * 200_000 + usage.output * 10_000_000
    assert event.cost_pico == expected


def test_cache_writes_are_billed_at_their_own_rates(api, alice, anthropic_server) -> None:
    session = make_session(
        alice, make_agent(alice, "ana", make_model(anthropic_server, "claude", kind="anthropic"))
    )
    usage = Usage(input=3, cache_read=5, cache_write_5m=7, cache_write_1h=11, output=13)
    anthropic_server.queue(Answer("Cached.", usage=usage))
    turn = ask(api, session).json()
    assert_ledger_matches(anthropic_server)
    cost = 3 * 2_000_000 + 5 * 200_000 + 7 * 2_500_000 + 11 * 4_000_000 + 13 * 10_000_000
    assert UsageEvent.objects.get().cost_pico == cost
    assert turn["usage"]["input_tokens"] == 26
    assert turn["usage"]["cached_tokens"] == 5


@pytest.mark.parametrize("refusal", [429, 500, 503, 529])
def test_a_passing_error_is_tried_again_and_each_attempt_is_in_the_books(
    api, session, server, refusal
) -> None:
    server.queue(Answer(status=refusal), Answer(status=refusal), Answer("At last."))
    turn = ask(api, session).json()
    assert turn["status"] == "completed"
    assert [step["status"] for step in turn["steps"]] == ["failed", "failed", "ok"]
    assert [step["attempt"] for step in turn["steps"]] == [1, 2, 3]
    assert turn["usage"]["calls"] == 3
    assert_ledger_matches(server)


def test_retry_after_is_obeyed(api, session, server, settings) -> None:
    settings.PANTHEON_PROVIDER_RETRY_MAX_WAIT_S = 5
    server.queue(Answer(status=429, retry_after="6"))
    response = ask(api, session)
    assert response.status_code == 503
    assert len(server.served) == 1
    assert_ledger_matches(server)


@pytest.mark.parametrize(
    ("status", "http_status", "code"),
    [
        (400, 502, "provider_error"),
        (401, 502, "provider_error"),
        (404, 502, "provider_error"),
        (529, 503, "provider_unavailable"),
    ],
)
def test_when_nobody_answers_the_error_says_so_and_the_turn_is_stored(
    api, session, server, status, http_status, code
) -> None:
    server.default = Answer(status=status, error_message="secret detail of the provider")
    response = ask(api, session)
    assert response.status_code == http_status
    assert response["x-should-retry"] == "false"
    error = response.json()["error"]
    assert error["code"] == code
    turn = Turn.objects.get()
    assert error["details"]["turn_id"] == str(turn.pk)
    assert turn.status == "failed"
    assert turn.stop_reason == "failed"
    assert "secret detail" not in response.content.decode()
    assert len(server.served) == (3 if status == 529 else 1)
    assert_ledger_matches(server)
    assert api.get(f"turns/{turn.pk}").json()["error"]["code"] == code


@pytest.mark.parametrize("fault", [Cut(), Cut(reset=True), ErrorEvent()], ids=["cut", "reset", "error"])
def test_a_stream_cut_in_the_middle_keeps_its_text_and_is_billed_as_estimated(
    api, session, server, fault
) -> None:
    server.queue(Answer(["One ", "two ", "three"], at={2: fault}))
    response = ask(api, session)
    assert response.status_code == 503
    message = Message.objects.get(role="agent")
    assert (message.text, message.status) == ("One two ", "failed")
    assert len(server.served) == 1
    (event,) = UsageEvent.objects.all()
    assert (event.source, event.status) == ("estimated", "failed")
    assert event.output_tokens >= 2
    assert event.input_tokens > 0
    assert_ledger_matches(server)


def test_garbage_in_the_stream_ends_the_answer(api, session, server) -> None:
    server.queue(Answer(["One ", "two"], at={1: Garbage()}))
    assert ask(api, session).status_code == 503
    assert Message.objects.get(role="agent").text == "One "
    (event,) = UsageEvent.objects.all()
    assert (event.source, event.status) == ("estimated", "failed")


def test_a_stream_that_ends_without_a_reason_is_cut(api, session, server) -> None:
    server.queue(Answer(["One ", "two"], finish_reason=None))
    assert ask(api, session).status_code == 503
    assert UsageEvent.objects.get().status == "failed"
    assert Message.objects.get(role="agent").status == "failed"


def test_a_cut_before_the_first_token_is_tried_again(api, session, server) -> None:
    server.queue(Answer("x", at={0: Cut()}), Answer("Whole."))
    turn = ask(api, session).json()
    assert turn["messages"][0]["text"] == "Whole."
    assert [step["usage"]["estimated"] for step in turn["steps"]] == [True, False]
    assert_ledger_matches(server)


@pytest.mark.usefixtures("impatient")
def test_silence_before_the_first_token_times_out(api, session, server) -> None:
    server.default = Answer("x", at={0: Silence()})
    response = ask(api, session)
    assert response.status_code == 504
    assert response.json()["error"]["code"] == "provider_timeout"
    assert len(server.served) == 1
    assert_ledger_matches(server)


def test_keep_alives_do_not_hold_an_answer_for_ever(api, session, server, settings) -> None:
    settings.PANTHEON_PROVIDER_TOTAL_TIMEOUT_S = 0.8
    settings.PANTHEON_PROVIDER_RETRIES = 0
    server.default = Answer(["One ", "two"], at={1: Silence(pings=True)})
    assert ask(api, session).status_code == 504
    assert_ledger_matches(server)


@pytest.mark.usefixtures("impatient")
def test_silence_between_tokens_times_out(api, session, server) -> None:
    server.default = Answer(["One ", "two"], at={1: Silence()})
    response = ask(api, session)
    assert response.status_code == 504
    assert len(server.served) == 1
    assert Message.objects.get(role="agent").text == "One "
    assert server.served[0].wait().disconnected
    assert_ledger_matches(server)


def test_a_cancelled_turn_keeps_its_text_and_is_billed_as_estimated(api, session, server) -> None:
    gate = Gate()
    server.queue(Answer(["One ", "two"], at={1: Hold(gate)}))
    turn = api.post(f"sessions/{session.pk}/turns", {"message": "hello", "background": True}).json()
    wait_for_event(turn["id"], '"text":"One "')
    response = api.post(f"turns/{turn['id']}/cancel")
    assert response.status_code == 202
    assert server.served[0].wait().disconnected
    stream = body_of(api.get(f"turns/{turn['id']}/events")).decode()
    assert '"type":"turn.cancelled"' in stream
    turn = api.get(f"turns/{turn['id']}").json()
    assert (turn["status"], turn["stop_reason"]) == ("cancelled", "cancelled")
    assert [(m["text"], m["status"]) for m in turn["messages"]] == [("One ", "cancelled")]
    assert turn["usage"]["estimated"] is True
    assert_ledger_matches(server)
    assert api.post(f"turns/{turn['id']}/cancel").json()["error"]["code"] == "turn_final"


def test_one_that_fails_leaves_the_others(api, alice, openai_server, anthropic_server) -> None:
    models = [
        make_model(openai_server, "gpt"),
        make_model(anthropic_server, "claude", kind="anthropic"),
        make_model(),
    ]
    agents = [make_agent(alice, key, model) for key, model in zip(("ana", "bea", "cy"), models, strict=True)]
    anthropic_server.default = Answer(status=401)
    response = ask(api, make_session(alice, make_room(alice, *agents)), "@all hello")
    assert response.status_code == 201
    turn = response.json()
    assert turn["status"] == "partial"
    assert turn["error"]["code"] == "provider_error"
    assert [message["agent_key"] for message in turn["messages"]] == ["ana", "cy"]
    assert UsageEvent.objects.filter(provider="demo-test").exists() is True
    assert Call.objects.count() == 3
    assert set(UsageEvent.objects.values_list("source", flat=True)) == {"none", "provider"}


def test_an_unpriced_call_is_null_and_marked_as_such(api, alice, openai_server) -> None:
    model = make_model(openai_server, "free-form", priced=False)
    turn = ask(api, make_session(alice, make_agent(alice, "ana", model))).json()
    assert turn["usage"]["cost_usd"] is None
    assert turn["usage"]["unpriced_calls"] == 1
    assert UsageEvent.objects.get().cost_pico is None


def test_a_call_that_is_priced_later_counts_once_with_its_cost(api, alice, openai_server) -> None:
    model = make_model(openai_server, "free-form", priced=False)
    session = make_session(alice, make_agent(alice, "ana", model))
    turn = ask(api, session).json()
    ModelPrice.objects.create(model=model, effective_from="2026-01-01T00:00:00Z", source="test", **RATES)
    [found] = events_reprice(start=UsageEvent.objects.get().created_at)
    cost = usd_text(found.cost_pico)
    later = api.get(f"turns/{turn['id']}").json()
    assert later["usage"] == {
        **turn["usage"],
        "cost_usd": cost,
        "unpriced_calls": 0,
        "by_purpose": {"reply": cost},
    }
    [step] = later["steps"]
    assert step == {**turn["steps"][0], "cost_usd": cost}
    assert terminal_fields(Turn.objects.get().pk)["usage"] == later["usage"]
    assert session_total(session) == SessionTotal(found.cost_pico, 0)
    [rows] = turn_rows(list(Turn.objects.all()))
    assert [event.cost_pico for event in rows.events] == [found.cost_pico]
    calls: Any = with_cost(Call.objects.all())
    assert [call.cost_pico for call in calls] == [found.cost_pico]
