"""The provider servers themselves: the choice of an answer, and the record of requests."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from orchestration.engine.specs import Usage
from orchestration.tests.providers import Answer, AnthropicServer, OpenAIServer, ProviderServer, count_tokens


def ask(server: ProviderServer, text: str = "Hello", *, key: str = "k", **more: Any) -> httpx2.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **more}
    if isinstance(server, AnthropicServer):
        body.setdefault("max_tokens", 10)
    headers = {"authorization": f"Bearer {key}", "anthropic-version": "2023-06-01"}
    with httpx2.Client() as client:
        return client.post(f"{server.origin}{server.base_path}{server.path}", json=body, headers=headers)


def said(response: httpx2.Response) -> str:
    return str(response.json()["choices"][0]["message"]["content"])


def test_rules_come_before_the_queue_and_the_queue_before_the_default(openai_server: OpenAIServer) -> None:
    openai_server.default = Answer("default")
    openai_server.queue(Answer("queued"))
    openai_server.when("tax", Answer("tax once"))
    openai_server.when(
        lambda body: body["model"] == "big", Answer("big 1"), Answer("big always"), always=True
    )
    openai_server.when("", Answer("only small"), model="small")
    asked = [("tax", "m"), ("tax", "m"), ("x", "big"), ("x", "big"), ("x", "big"), ("x", "small"), ("x", "m")]
    answers = [said(ask(openai_server, text, model=model)) for text, model in asked]
    assert answers == ["tax once", "queued", "big 1", "big always", "big always", "only small", "default"]


def test_the_ledger(openai_server: OpenAIServer, anthropic_server: AnthropicServer) -> None:
    usage = Usage(input=1, cache_read=2, output=3)
    for server in (openai_server, anthropic_server):
        server.queue(Answer("four words are here"), Answer(usage=usage, model="other"), Answer(status=429))
        ask(server, "Hello there")
        ask(server)
        assert ask(server).status_code == 429
        first, second, third = server.wait_served(3)
        assert first.usage == Usage(
            input=count_tokens("Hello there"), output=count_tokens("four words are here")
        )
        assert (second.usage, second.model, second.whole) == (usage, "other", True)
        assert (third.usage, third.status, third.whole) == (Usage(), 429, False)
        assert [served.request_id for served in server.served] == [
            "req_test_0001",
            "req_test_0002",
            "req_test_0003",
        ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"surprise": 1},
        {"messages": []},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"messages": [{"role": "user", "content": None}]},
        {"model": ""},
    ],
)
def test_what_the_real_apis_refuse_is_refused(
    openai_server: OpenAIServer, anthropic_server: AnthropicServer, wrong: dict[str, Any]
) -> None:
    for server in (openai_server, anthropic_server):
        response = ask(server, **wrong)
        assert response.status_code == 400
        assert response.json()["error"]["type"] == "invalid_request_error"


def test_openai_refuses_more(openai_server: OpenAIServer) -> None:
    loose = {
        "name": "x",
        "strict": True,
        "schema": {"type": "object", "properties": {"a": {}}, "required": []},
    }
    for wrong in (
        {"max_tokens": 1, "max_completion_tokens": 1},
        {"stream_options": {"include_usage": True}},
        {"response_format": {"type": "json_schema", "json_schema": loose}},
    ):
        assert ask(openai_server, **wrong).status_code == 400


def test_keys(openai_server: OpenAIServer) -> None:
    openai_server.key = "right"
    assert ask(openai_server, key="wrong").status_code == 401
    assert ask(openai_server, key="right").status_code == 200


def test_usage_is_streamed_only_when_asked_for(openai_server: OpenAIServer) -> None:
    lines = ask(openai_server, stream=True).text.split("\n\n")
    assert lines[-2] == "data: [DONE]"
    assert all(json.loads(line[6:])["usage"] is None for line in lines[:-2])
    assert not openai_server.served[0].usage_told
