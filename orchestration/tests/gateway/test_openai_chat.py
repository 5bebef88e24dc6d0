"""Requests to OpenAI-compatible servers, and unusual chunks."""

from __future__ import annotations

import pytest

from orchestration.engine.ports import PartialUsage, ReasoningDelta, TextDelta
from orchestration.engine.specs import ChatMessage, Usage
from orchestration.gateway.errors import ErrorEvent
from orchestration.gateway.gateway import Gateway
from orchestration.gateway.openai_chat import ChatReader, request_body
from orchestration.tests.gateway import ask, completed, request, spec
from orchestration.tests.providers import OpenAIServer

SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"reason": {"type": "string"}},
    "required": ["reason"],
    "additionalProperties": False,
}


async def test_the_request(gateway: Gateway, openai_server: OpenAIServer) -> None:
    asked = request(
        spec(base_url=openai_server.base_url),
        messages=(
            ChatMessage("user", "Hello"),
            ChatMessage("assistant", "Yes?"),
            ChatMessage("user", "Nothing."),
        ),
        temperature=0.3,
        json_schema=SCHEMA,
        purpose="route",
    )
    completed(await ask(gateway, asked))
    assert openai_server.served[0].body == {
        "model": "test-model-1",
        "messages": [
            {"role": "system", "content": "You are a careful analyst."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Yes?"},
            {"role": "user", "content": "Nothing."},
        ],
        "max_tokens": 1000,
        "temperature": 0.3,
        "stream": True,
        "stream_options": {"include_usage": True},
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "route", "schema": SCHEMA, "strict": True},
        },
    }


def test_what_a_model_cannot_take_is_not_sent() -> None:
    asked = request(
        spec(json_schema=False, temperature=False), temperature=0.3, json_schema=SCHEMA, system=""
    )
    body = request_body(asked, "127.0.0.1")
    assert "temperature" not in body
    assert "response_format" not in body
    assert [message["role"] for message in body["messages"]] == ["user"]


def test_a_loose_schema_is_not_called_strict() -> None:
    loose: dict[str, object] = {
        "type": "object",
        "properties": {"a": SCHEMA, "b": {"type": "string"}},
        "required": ["a"],
    }
    body = request_body(request(spec(), json_schema=loose), "127.0.0.1")
    assert body["response_format"]["json_schema"]["strict"] is False


@pytest.mark.parametrize(
    ("host", "model_id", "name"),
    [
        ("api.openai.com", "gpt-4o", "max_completion_tokens"),
        ("eu.api.openai.com", "gpt-6.1-terra", "max_completion_tokens"),
        ("mine.openai.azure.com", "deployment", "max_completion_tokens"),
        ("proxy.example", "gpt-6.1-terra", "max_completion_tokens"),
        ("openrouter.ai", "openai/gpt-6-luna", "max_completion_tokens"),
        ("proxy.example", "o3-mini", "max_completion_tokens"),
        ("localhost", "gpt-oss-120b", "max_tokens"),
        ("localhost", "llama3.2", "max_tokens"),
        ("notopenai.com", "llama3.2", "max_tokens"),
    ],
)
def test_the_name_of_the_token_limit(host: str, model_id: str, name: str) -> None:
    body = request_body(request(spec(model_id=model_id)), host)
    assert body[name] == 1000
    assert len({"max_tokens", "max_completion_tokens"} & set(body)) == 1


def test_a_finish_that_is_an_error() -> None:
    with pytest.raises(ErrorEvent):
        ChatReader().feed({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]})


def test_tool_calls_are_a_stop() -> None:
    reader = ChatReader()
    reader.feed({"choices": [{"delta": {"tool_calls": []}, "finish_reason": "tool_calls"}]})
    assert reader.finish_reason == "stop"


def test_content_in_parts() -> None:
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Hi"}, 7]
    assert ChatReader().feed({"choices": [{"index": 0, "delta": {"content": parts}}]}) == [TextDelta("Hi")]


def test_thoughts_in_parts_of_a_whole_answer() -> None:
    thinking = [{"type": "text", "text": "Hm, "}, {"type": "text", "text": "yes."}]
    parts = [{"type": "thinking", "thinking": thinking}, {"type": "text", "text": "Yes."}]
    answer = {"choices": [{"index": 0, "message": {"content": parts}, "finish_reason": "stop"}]}
    [chunk] = ChatReader.events_of(answer)
    assert ChatReader().feed(chunk) == [ReasoningDelta("Hm, yes."), TextDelta("Yes.")]


@pytest.mark.parametrize("thinking", [7, None, "", [7], [{"text": "a"}], [{"type": "thinking"}]])
def test_unusable_thoughts_in_parts(thinking: object) -> None:
    parts = [{"type": "thinking", "thinking": thinking}, {"type": "thinking"}, {"type": "text", "text": "Hi"}]
    assert ChatReader().feed({"choices": [{"index": 0, "delta": {"content": parts}}]}) == [TextDelta("Hi")]


def test_other_choices_are_not_mixed_in() -> None:
    choices = [{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}]
    assert ChatReader().feed({"choices": choices}) == [TextDelta("a")]


def test_one_choice_of_an_event_is_read() -> None:
    """An event of a megabyte may have thousands, and each would be an event of its own."""
    choice = {"index": 0, "delta": {"content": "x"}}
    assert ChatReader().feed({"choices": [{"index": 1, "delta": {"content": "y"}}, *[choice] * 1_000]}) == [
        TextDelta("x")
    ]


def test_usage_on_the_way_is_partial() -> None:
    reader = ChatReader()
    usage: dict[str, object] = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
    events = reader.feed({"choices": [{"index": 0, "delta": {"content": "a"}}], "usage": usage})
    assert events == [TextDelta("a"), PartialUsage(Usage(input=5, output=1), usage)]
    assert reader.final_report() is None


def test_openai_stores_nothing_and_keeps_prompts_of_one_speaker_together() -> None:
    asked = [request(spec(), cache_key=f"session-1 {key}") for key in ("ana", "ana", "bob")]
    bodies = [request_body(each, "api.openai.com") for each in asked]
    keys = [body["prompt_cache_key"] for body in bodies]
    assert keys[0] == keys[1] != keys[2]
    assert "session" not in "".join(keys)
    assert all(body["store"] is False for body in bodies)
    assert not {"prompt_cache_key", "store"} & request_body(asked[0], "openrouter.ai").keys()
    off = request_body(request(spec(prompt_caching=False), cache_key="k"), "api.openai.com")
    assert "prompt_cache_key" not in off
