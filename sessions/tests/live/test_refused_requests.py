"""Servers that refuse a field or answer with no answer, end to end: what people get, and what is billed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from billing.models import UsageEvent
from orchestration.models import LlmModel
from orchestration.tests.providers import Answer, OpenAIServer
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_session
from sessions.tests.support.councils import council, decision
from sessions.tests.support.ledger import assert_nothing_to_audit
from sessions.tests.support.server_process import until

pytestmark = pytest.mark.django_db(transaction=True)

NO_STREAM_OPTIONS = {
    "detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra"}]
}
NO_SYSTEM = {
    "object": "error",
    "message": "System role not supported",
    "type": "BadRequestError",
    "code": 400,
}
NO_SCHEMA = {
    "error": {"message": "This response_format type is unavailable now", "type": "invalid_request_error"}
}
NO_TEMPERATURE = {
    "error": {"message": "Unsupported value", "param": "temperature", "code": "unsupported_value"}
}


def refuse(server: OpenAIServer, body: dict[str, Any], has: Any, *, status: int = 400) -> None:
    """Refuse every request that has what the server does not take."""
    server.when(has, Answer(status=status, body=json.dumps(body).encode()), always=True)


def has_system(body: dict[str, Any]) -> bool:
    return any(message["role"] == "system" for message in body["messages"])


@pytest.mark.parametrize(
    ("body", "status", "has", "field"),
    [
        (NO_STREAM_OPTIONS, 422, lambda body: "stream_options" in body, "stream_options"),
        (NO_SYSTEM, 400, has_system, "system"),
        (NO_TEMPERATURE, 400, lambda body: "temperature" in body, "temperature"),
    ],
    ids=["stream_options", "system", "temperature"],
)
def test_an_answer_comes_without_the_refused_field_and_the_next_turn_knows(
    api: Api, alice, openai_model, openai_server, body, status, has, field
) -> None:
    refuse(openai_server, body, has, status=status)
    openai_server.default = Answer("Good day.")
    session = make_session(alice, make_agent(alice, "ana", openai_model, temperature=0.5))

    turn = api.post(f"sessions/{session.pk}/turns", {"message": "hello"}).json()

    assert (turn["status"], turn["error"]) == ("completed", None)
    assert turn["messages"][-1]["text"] == "Good day."
    refused, answered = UsageEvent.objects.order_by("attempt")
    assert (refused.source, refused.status, refused.cost_pico, refused.output_tokens) == (
        "none",
        "failed",
        0,
        0,
    )
    assert (answered.attempt, answered.status) == (2, "ok")
    assert_nothing_to_audit()
    until(lambda: field in LlmModel.objects.get(pk=openai_model.pk).unsupported)
    api.post(f"sessions/{session.pk}/turns", {"message": "again"})
    assert len(openai_server.served) == 3


def test_a_manager_without_a_schema_still_decides(api: Api, alice, openai_model, openai_server) -> None:
    refuse(openai_server, NO_SCHEMA, lambda body: "response_format" in body)
    openai_server.default = Answer(decision(("bob", "Look at the roof.")))
    agents = [make_agent(alice, key, openai_model) for key in ("ana", "bob")]
    turn = api.post(council(alice, agents, mode="orchestrator"), {"message": "Go"}).json()
    assert not turn["routing"][0]["used_fallback"]


@pytest.mark.parametrize(
    ("answer", "code", "calls"),
    [
        (Answer(body=b"<!doctype html>Welcome", content_type="text/html"), "provider_error", 1),
        (
            Answer(
                body=b'data: {"id":"c1","choices":null,"base_resp":{"status_code":1008,"status_msg":"x"}}\n\n'
            ),
            "provider_error",
            1,
        ),
        (
            Answer(
                body=b'{"error":{"message":"Rate limit exceeded","code":429}}',
                content_type="application/json",
            ),
            "provider_unavailable",
            3,
        ),
        (Answer(status=302, headers={"location": "/login"}), "provider_error", 1),
        (
            Answer(status=400, body=b'{"error":{"code":"content_filter","message":"x"}}'),
            "content_filtered",
            1,
        ),
    ],
    ids=["page", "base_resp", "429 in a 200", "redirect", "content filter"],
)
def test_what_no_model_worked_on_costs_nothing(
    api: Api, alice, openai_model, openai_server, settings, answer, code, calls
) -> None:
    settings.PANTHEON_PROVIDER_RETRY_BASE_S = 0.01
    openai_server.default = answer
    session = make_session(alice, make_agent(alice, "ana", openai_model))
    error = api.post(f"sessions/{session.pk}/turns", {"message": "hello"}).json()["error"]
    assert error["code"] == code
    events = UsageEvent.objects.all()
    assert len(events) == calls
    assert {(event.source, event.cost_pico, event.input_tokens) for event in events} == {("none", 0, 0)}
    assert_nothing_to_audit()


def test_a_whole_completion_is_billed_as_it_says(api: Api, alice, openai_model, openai_server) -> None:
    whole = {
        "id": "c1",
        "object": "chat.completion",
        "model": "gpt-test",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Whole."}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 1234, "completion_tokens": 56, "total_tokens": 1290},
    }
    openai_server.default = Answer(body=json.dumps(whole).encode(), content_type="application/json")
    session = make_session(alice, make_agent(alice, "ana", openai_model))
    turn = api.post(f"sessions/{session.pk}/turns", {"message": "hello"}).json()
    assert turn["messages"][-1]["text"] == "Whole."
    event = UsageEvent.objects.get()
    assert (event.source, event.input_tokens, event.output_tokens, event.flags) == ("provider", 1234, 56, [])
