"""The gateway against real servers of both wire formats: the providers' behaviour and the resulting events."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import aclosing, suppress

import pytest

from orchestration.engine.ports import Opened, PartialUsage, TextDelta
from orchestration.engine.specs import ModelSpec, Usage
from orchestration.gateway.gateway import Gateway
from orchestration.tests.gateway import (
    KEY,
    KEY_ENV,
    ask,
    completed,
    failed,
    reasoning_of,
    request,
    spec,
    text_of,
)
from orchestration.tests.gateway.support.wires import USAGE, kind, model, server
from orchestration.tests.providers import (
    Answer,
    AnthropicServer,
    Cut,
    ErrorEvent,
    Garbage,
    Gate,
    Hold,
    ProviderServer,
    Silence,
)

__all__ = ["kind", "model", "server"]


class TestAnswers:
    async def test_a_whole_answer(self, gateway: Gateway, server: ProviderServer, model: ModelSpec) -> None:
        server.queue(
            Answer(
                "A council is a group\nthat answers.",
                reasoning=["Let me ", "think."],
                usage=USAGE,
                model="served-1",
            )
        )

        events = await ask(gateway, request(model))

        [served] = server.wait_served(1)
        end = completed(events)
        assert text_of(events) == served.text == "A council is a group\nthat answers."
        assert reasoning_of(events) == "Let me think."
        assert end.report.usage == served.usage == USAGE
        assert (end.report.source, end.report.flags, end.finish_reason) == (
            "provider",
            ("other_model",),
            "stop",
        )
        assert [event for event in events if isinstance(event, Opened)][-1] == Opened(
            served.request_id, "served-1"
        )
        assert served.whole
        assert served.status == 200

    @pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
    async def test_finish_reasons(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec, reason: str
    ) -> None:
        server.queue(Answer(finish_reason=reason))
        assert completed(await ask(gateway, request(model))).finish_reason == reason

    @pytest.mark.parametrize(
        "text", ["", "é", "line\u2028separator\u0085and\rreturn", "👩‍👩‍👧", "\\u0000 \"quoted\" 'x'"]
    )
    async def test_text_arrives_as_it_was_sent(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec, text: str
    ) -> None:
        server.queue(Answer([text, text]))
        assert text_of(await ask(gateway, request(model))) == text * 2

    async def test_an_answer_without_usage_is_for_the_caller_to_estimate(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec, kind: str
    ) -> None:
        server.queue(Answer(tells_usage=False))
        report = completed(await ask(gateway, request(model))).report
        assert report.source == "estimated"
        assert "missing_output" in report.flags
        # Anthropic counts the input when the message opens.
        assert ("missing_input" in report.flags) == (kind == "openai")

    async def test_connections_stay_warm(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec
    ) -> None:
        for _ in range(3):
            completed(await ask(gateway, request(model)))
        assert server.connections == 1

    async def test_parallel_calls_do_not_mix(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec
    ) -> None:
        for number in range(8):
            server.when(f"question {number}!", Answer(f"answer {number}", delay_s=0.001))
        asked = [ask(gateway, request(model, f"question {number}!")) for number in range(8)]
        assert [text_of(events) for events in await asyncio.gather(*asked)] == [
            f"answer {n}" for n in range(8)
        ]


class TestLeaving:
    async def test_closing_the_stream_hangs_up(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec
    ) -> None:
        gate = Gate()
        server.queue(Answer(["one ", "two"], at={1: Hold(gate)}))
        async with aclosing(gateway.stream(request(model))) as stream:
            async for event in stream:
                if isinstance(event, TextDelta):
                    break
        [served] = await asyncio.to_thread(server.wait_served, 1)
        assert served.disconnected
        assert served.text == "one "

    @pytest.mark.parametrize("reading", [False, True])
    async def test_cancelling_hangs_up(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec, reading: bool
    ) -> None:
        gate = Gate()
        server.queue(Answer(at={1: Hold(gate)}) if reading else Answer(head_gate=gate))
        task = asyncio.create_task(ask(gateway, request(model)))
        await asyncio.to_thread(gate.wait_until_reached)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()
        [served] = await asyncio.to_thread(server.wait_served, 1)
        assert served.disconnected

    async def test_the_next_call_works(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec
    ) -> None:
        server.queue(Answer(at={1: Silence()}), Answer("fine"))
        async with aclosing(gateway.stream(request(model))) as stream:
            async for event in stream:
                if isinstance(event, TextDelta):
                    break
        assert text_of(await ask(gateway, request(model))) == "fine"


class TestSettings:
    async def test_a_missing_key_names_its_variable(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv(KEY_ENV)
        end = failed(await ask(gateway, request(model)))
        assert (end.code, end.retryable, end.may_have_cost) == ("provider_error", False, False)
        assert KEY_ENV in end.message
        assert not server.served

    async def test_a_new_key_counts_from_the_next_call(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        completed(await ask(gateway, request(model)))
        server.key = "rotated-key-1"
        monkeypatch.setenv(KEY_ENV, "rotated-key-1")
        completed(await ask(gateway, request(model)))

    async def test_a_server_that_wants_no_key_gets_none_of_ours(
        self, gateway: Gateway, server: ProviderServer, kind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.key = None
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-somebody-else")
        monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-of-somebody-else")
        completed(await ask(gateway, request(spec(kind, server.base_url, key_env=""))))
        assert "somebody" not in str(server.served[0].headers)

    async def test_nothing_of_the_sdks_environment_reaches_another_provider(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in (
            "BASE_URL",
            "ORG_ID",
            "PROJECT_ID",
            "ADMIN_KEY",
            "WEBHOOK_SECRET",
            "AUTH_TOKEN",
            "PROFILE",
        ):
            for owner in ("OPENAI", "ANTHROPIC"):
                monkeypatch.setenv(f"{owner}_{name}", "http://127.0.0.1:1/leaked")
        for owner in ("OPENAI", "ANTHROPIC"):
            monkeypatch.setenv(f"{owner}_CUSTOM_HEADERS", "X-Leaked: leaked\nAuthorization: leaked")
        completed(await ask(gateway, request(model)))
        assert "leaked" not in str(server.served[0].headers)

    async def test_an_unknown_kind(self, gateway: Gateway) -> None:
        assert (
            failed(await ask(gateway, request(spec("gopher", "http://127.0.0.1:1")))).code == "provider_error"
        )

    async def test_no_key_in_any_log(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        server.queue(
            Answer("fine"),
            Answer(status=500, error_message=f"You sent {KEY}"),
            Answer(at={1: ErrorEvent(message=f"Bearer {KEY}")}),
            Answer(at={1: Garbage(f"data: {KEY}\n\n".encode())}),
            Answer(at={1: Cut(reset=True)}),
        )
        ends = [repr((await ask(gateway, request(model)))[-1]) for _ in range(5)]
        assert KEY not in caplog.text + "".join(ends)
        assert caplog.text.count("[key]") >= 3
        assert os.environ[KEY_ENV] == KEY


async def test_input_of_a_cut_anthropic_answer_is_exact(
    gateway: Gateway, anthropic_server: AnthropicServer
) -> None:
    usage = Usage(input=11, cache_read=22, cache_write_5m=3, cache_write_1h=4, output=50)
    anthropic_server.queue(Answer(["one ", "two"], usage=usage, at={1: Cut()}))
    events = await ask(gateway, request(spec("anthropic", anthropic_server.base_url)))
    [partial] = [event for event in events if isinstance(event, PartialUsage)]
    assert partial.usage == Usage(input=11, cache_read=22, cache_write_5m=3, cache_write_1h=4)
