"""Requests without the fields that a server refuses: what is sent instead, how long, and who is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestration.engine.specs import ChatMessage, ModelRequest, ModelSpec
from orchestration.gateway.anthropic_messages import request_body as anthropic_body
from orchestration.gateway.gateway import Gateway
from orchestration.gateway.openai_chat import request_body as openai_body
from orchestration.tests.gateway import QUICK, ask, completed, failed, request, spec, text_of
from orchestration.tests.gateway.support.wires import kind, model, server
from orchestration.tests.providers import Answer, OpenAIServer, ProviderServer

__all__ = ["kind", "model", "server"]

SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {},
    "required": [],
    "additionalProperties": False,
}
MESSAGES = (
    ChatMessage("user", "[Bob]: Yes."),
    ChatMessage("user", "Why?"),
    ChatMessage("assistant", "Because."),
    ChatMessage("user", "Go on."),
)


def full(model: ModelSpec) -> ModelRequest:
    return request(model, messages=MESSAGES, temperature=0.5, json_schema=SCHEMA)


def chat(*unsupported: str, model_id: str = "test-model-1") -> dict[str, Any]:
    return openai_body(full(spec(model_id=model_id, unsupported=unsupported)), "127.0.0.1")


def messages(*unsupported: str) -> dict[str, Any]:
    return anthropic_body(full(spec("anthropic", unsupported=unsupported)))


class TestBodies:
    @pytest.mark.parametrize("field", ["temperature", "response_format", "stream_options"])
    def test_a_field_is_left_out(self, field: str) -> None:
        assert set(chat()) - set(chat(field)) == {field}

    @pytest.mark.parametrize("field", ["temperature", "output_config"])
    def test_a_field_is_left_out_of_messages(self, field: str) -> None:
        assert set(messages()) - set(messages(field)) == {field}

    def test_the_output_limit_has_two_names(self) -> None:
        assert chat()["max_tokens"] == 1000
        assert chat("max_tokens")["max_completion_tokens"] == 1000
        assert chat("max_completion_tokens", model_id="gpt-5-mini")["max_tokens"] == 1000
        # A call without a limit could cost more than is held for it: rather let the server refuse it.
        assert chat("max_tokens", "max_completion_tokens")["max_tokens"] == 1000
        assert messages("max_tokens")["max_tokens"] == 1000

    def test_without_streaming_no_stream_options_are_sent(self) -> None:
        assert chat("stream")["stream"] is False
        assert "stream_options" not in chat("stream")
        assert messages("stream")["stream"] is False

    def test_the_system_prompt_goes_into_the_first_message(self) -> None:
        for body in (chat("system"), messages("system")):
            assert body["messages"][0] == {
                "role": "user",
                "content": "You are a careful analyst.\n\n[Bob]: Yes.",
            }
            assert "system" not in body
            assert all(message["role"] != "system" for message in body["messages"])

    def test_successive_messages_of_a_role_are_joined(self) -> None:
        for body in (chat("turns", "system"), messages("turns", "system")):
            assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
            assert body["messages"][0]["content"] == "You are a careful analyst.\n\n[Bob]: Yes.\n\nWhy?"

    def test_the_request_itself_stays(self) -> None:
        asked = full(spec(unsupported=("turns", "system")))
        openai_body(asked, "")
        assert asked.messages == MESSAGES


def refusing(field: str) -> Answer:
    error = {"message": "Unsupported.", "param": field, "code": "unsupported_parameter"}
    return Answer(status=400, body=json.dumps({"error": error}).encode())


class TestLearning:
    async def test_the_next_attempt_is_without_the_field_and_the_answer_proves_it(
        self, server: ProviderServer, model: ModelSpec
    ) -> None:
        learnt: list[tuple[str, str, str]] = []
        gateway = Gateway(
            QUICK, on_unsupported=lambda spec, field, reason: learnt.append((spec.alias, field, reason))
        )
        server.queue(refusing("temperature"), Answer("One."), Answer("Two."))
        asked = request(model, temperature=0.5)

        end = failed(await ask(gateway, asked))
        assert (end.without, end.may_have_cost, learnt) == ("temperature", False, [])
        assert text_of(await ask(gateway, asked)) == "One."
        assert learnt == [("test-model", "temperature", "HTTP 400 unsupported_parameter")]
        assert text_of(await ask(gateway, asked)) == "Two."
        await gateway.aclose()

        assert len(learnt) == 1
        assert ["temperature" in served.body for served in server.served] == [True, False, False]

    @pytest.mark.parametrize(
        "error",
        [
            {
                "message": "temperature: Input should be less than or equal to 1",
                "type": "invalid_request_error",
            },
            {
                "detail": [
                    {
                        "type": "less_than_equal",
                        "loc": ["body", "temperature"],
                        "msg": "Input should be less than or equal to 1.5",
                    }
                ]
            },
            {
                "message": "Invalid 'temperature': decimal above maximum value. Expected <= 2, but got 3.",
                "param": "temperature",
                "code": "decimal_above_max_value",
            },
            {"message": "Invalid 'max_tokens'.", "param": "max_tokens", "code": "integer_below_min_value"},
            {"message": "temperature must be in (0,1)", "code": "1214"},
            {"message": "Invalid params: temperature must be in range (0, +inf)"},
            {"message": "invalid request: temperature must be between 0 and 1 inclusive."},
            {"message": "Bad request", "param": "temperature"},
            {"message": "Invalid value for 'temperature'.", "param": "temperature", "code": "invalid_value"},
            {"message": "temperature parameter is invalid", "code": "1214"},
            {"message": "max_tokens value 1 is invalid", "param": "max_tokens", "code": "invalid_value"},
            {"message": "max_tokens 32000 is not allowed on the free plan"},
        ],
    )
    async def test_a_number_out_of_range_is_one_users_mistake(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec, error: dict[str, Any]
    ) -> None:
        body = json.dumps({"error": error}).encode()
        server.queue(Answer(status=400, body=body), Answer("Yes."))
        asked = request(model, temperature=3)
        end = failed(await ask(gateway, asked))
        assert (end.without, end.retryable) == ("", False)
        assert "does not accept this value of" in end.message
        completed(await ask(gateway, asked))
        assert server.served[-1].body["temperature"] == 3
        assert server.served[-1].body["max_tokens"] == server.served[0].body["max_tokens"]

    async def test_what_a_user_writes_teaches_nothing(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec
    ) -> None:
        text = "The temperature is not supported with this, unknown temperature."
        error = {"message": f"The content of messages[1] cannot be processed: '{text}'"}
        server.queue(Answer(status=400, body=json.dumps({"error": error}).encode()))
        end = failed(await ask(gateway, request(model, text, temperature=0.5)))
        assert end.without == ""

    async def test_a_temperature_that_an_effort_may_exclude_is_one_users_choice(
        self, gateway: Gateway, server: ProviderServer, kind: str
    ) -> None:
        if kind != "openai":
            pytest.skip("no temperature is sent beside thinking")
        server.queue(refusing("temperature"))
        asked = request(spec(kind, server.base_url), temperature=0.5, reasoning_effort="high")
        assert failed(await ask(gateway, asked)).without == ""

    async def test_a_field_that_was_not_sent_is_no_reason_to_try_again(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec
    ) -> None:
        server.queue(refusing("temperature"))
        assert failed(await ask(gateway, request(model))).without == ""

    async def test_only_an_answer_to_a_request_that_lost_the_field_proves_the_refusal(
        self, server: ProviderServer, model: ModelSpec
    ) -> None:
        learnt: list[str] = []
        gateway = Gateway(QUICK, on_unsupported=lambda spec, field, reason: learnt.append(field))
        server.queue(refusing("temperature"), Answer("One."), Answer("Two."))
        failed(await ask(gateway, request(model, temperature=0.5)))

        completed(await ask(gateway, request(model)))
        assert learnt == []
        completed(await ask(gateway, request(model, temperature=0.7)))
        assert learnt == ["temperature"]
        await gateway.aclose()

    async def test_another_model_of_the_server_is_not_concerned(
        self, gateway: Gateway, server: ProviderServer, kind: str, model: ModelSpec
    ) -> None:
        server.queue(refusing("temperature"))
        await ask(gateway, request(model, temperature=0.5))
        other = spec(kind, server.base_url, id="00000000-0000-0000-0000-000000000002")
        completed(await ask(gateway, request(other, temperature=0.5)))
        assert "temperature" in server.served[-1].body

    async def test_a_server_that_does_not_stream_answers_as_a_whole(
        self, gateway: Gateway, server: ProviderServer, kind: str
    ) -> None:
        asked = spec(kind, server.base_url, unsupported=["stream"])
        server.queue(Answer("All at once."))
        events = await ask(gateway, request(asked))
        assert text_of(events) == "All at once."
        [served] = server.wait_served(1)
        assert completed(events).report.usage == served.usage
        assert completed(events).report.source == "provider"


async def test_without_stream_options_a_server_that_is_silent_about_usage_is_estimated(
    gateway: Gateway, openai_server: OpenAIServer
) -> None:
    asked = spec("openai", openai_server.base_url, unsupported=["stream_options"])
    end = completed(await ask(gateway, request(asked)))
    assert end.report.source == "estimated"


NO_ENDPOINT = json.dumps(
    {"error": {"message": "No endpoints found that can handle the requested parameters.", "code": 404}}
).encode()


class TestUnnamedFields:
    """A broker that names no field: the likeliest ones are left out, one after the other."""

    @pytest.mark.parametrize(
        ("refusals", "learns"),
        [(1, ["response_format"]), (2, [])],
        ids=["the only one is proven", "of two, either may have been wrong"],
    )
    async def test_one_field_after_the_other_is_left_out(
        self, openai_server: OpenAIServer, refusals: int, learns: list[str]
    ) -> None:
        learnt: list[str] = []
        gateway = Gateway(QUICK, on_unsupported=lambda spec, field, reason: learnt.append(field))
        openai_server.queue(*[Answer(status=404, body=NO_ENDPOINT)] * refusals, Answer("Yes."))
        asked = full(spec("openai", openai_server.base_url))
        for _ in range(refusals):
            assert failed(await ask(gateway, asked)).without
        completed(await ask(gateway, asked))
        await gateway.aclose()

        left_out = [{"response_format", "temperature"} - set(each.body) for each in openai_server.served]
        steps: list[set[str]] = [set(), {"response_format"}, {"response_format", "temperature"}]
        assert left_out == steps[: refusals + 1]
        assert learnt == learns

    async def test_without_optional_fields_the_account_is_named(
        self, gateway: Gateway, openai_server: OpenAIServer
    ) -> None:
        openai_server.queue(Answer(status=404, body=NO_ENDPOINT))
        end = failed(await ask(gateway, request(spec("openai", openai_server.base_url))))
        assert (end.code, end.without) == ("provider_error", "")
        assert "check the routing settings of the account" in end.message
        assert "model id" not in end.message
