"""The gateway against real servers of both wire formats: what each provider does, and the event that says so."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import aclosing, suppress

import pytest

from orchestration.engine.ports import Opened, PartialUsage, TextDelta
from orchestration.engine.specs import ModelSpec, Usage
from orchestration.gateway.gateway import Gateway
from orchestration.gateway.streaming import GatewayConfig
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
from orchestration.tests.providers import (
    Answer,
    AnthropicServer,
    Cut,
    ErrorEvent,
    Garbage,
    Gate,
    Hold,
    OpenAIServer,
    ProviderServer,
    Silence,
)

SERVERS = {"openai": OpenAIServer, "anthropic": AnthropicServer}
USAGE = Usage(input=40, cache_read=60, cache_write_5m=7, output=30, reasoning=12)
DAY = "Thu, 01 Jan 2099 00:00:00 GMT"


@pytest.fixture(params=["openai", "anthropic"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(kind: str) -> Iterator[ProviderServer]:
    with SERVERS[kind]() as server:
        server.key = KEY
        yield server


@pytest.fixture
def model(kind: str, server: ProviderServer) -> ModelSpec:
    return spec(kind, server.base_url)


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
        assert (end.report.source, end.report.flags, end.finish_reason) == ("provider", (), "stop")
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


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "code", "retryable", "named"),
        [
            (400, "provider_error", False, "log"),
            (401, "provider_error", False, KEY_ENV),
            (402, "provider_error", False, KEY_ENV),
            (403, "provider_error", False, KEY_ENV),
            (404, "provider_error", False, "test-model-1"),
            (408, "provider_timeout", True, "gave up"),
            (413, "provider_error", False, "too large"),
            (422, "provider_error", False, "422"),
            (429, "provider_unavailable", True, "limits"),
            (500, "provider_unavailable", True, "500"),
            (503, "provider_unavailable", True, "503"),
            (529, "provider_unavailable", True, "529"),
        ],
    )
    async def test_an_http_error(
        self,
        gateway: Gateway,
        server: ProviderServer,
        model: ModelSpec,
        status: int,
        code: str,
        retryable: bool,
        named: str,
    ) -> None:
        server.queue(Answer(status=status, error_message="Context length exceeded, dear customer."))

        events = await ask(gateway, request(model))

        [served] = server.wait_served(1)
        end = failed(events)
        assert (end.code, end.retryable, end.may_have_cost, end.report) == (code, retryable, False, None)
        assert named in end.message
        assert "customer" not in end.message
        assert events[0] == Opened(served.request_id)
        assert served.usage == Usage()

    async def test_our_retries_are_not_the_sdks(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec
    ) -> None:
        server.queue(*[Answer(status=500)] * 3)
        failed(await ask(gateway, request(model)))
        assert len(server.served) == 1

    async def test_retry_after(self, gateway: Gateway, server: ProviderServer, model: ModelSpec) -> None:
        server.queue(
            Answer(status=429, retry_after="7"), Answer(status=503, retry_after=DAY), Answer(status=429)
        )
        assert failed(await ask(gateway, request(model))).retry_after_s == 7
        assert (failed(await ask(gateway, request(model))).retry_after_s or 0) > 1e9
        assert failed(await ask(gateway, request(model))).retry_after_s is None

    async def test_a_wrong_key(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec, caplog: pytest.LogCaptureFixture
    ) -> None:
        server.key = "another"
        caplog.set_level(logging.DEBUG)
        end = failed(await ask(gateway, request(model)))
        assert KEY_ENV in end.message
        # The server's own words are in the log, and they quote the key.
        assert "Incorrect API key provided: [key]" in caplog.text
        assert KEY not in caplog.text + end.message

    async def test_what_was_said_stays_out_of_the_log(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec, caplog: pytest.LogCaptureFixture
    ) -> None:
        said, told = "my bank PIN is 4711, do not tell", "You are Ana, keeper of secrets."
        server.queue(Answer(status=400, error_message=f'1 validation error: input: "{said}" after "{told}"'))
        await ask(gateway, request(model, said, system=told))
        assert "1 validation error" in caplog.text
        assert "4711" not in caplog.text
        assert "keeper" not in caplog.text

    async def test_an_error_page_that_is_no_json(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec
    ) -> None:
        server.queue(Answer(status=502, body=b"<html>\xff\xfe Bad gateway</html>"))
        assert failed(await ask(gateway, request(model))).code == "provider_unavailable"

    async def test_no_server(self, gateway: Gateway, kind: str) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{unused.getsockname()[1]}"
            end = failed(await ask(gateway, request(spec(kind, url))))
        assert (end.code, end.retryable, end.may_have_cost) == ("provider_unavailable", True, False)

    async def test_a_server_that_serves_something_else(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec
    ) -> None:
        server.queue(Answer(body=b"<!doctype html><p>Welcome</p>", content_type="text/html"))
        server.queue(Answer(body=b'{"answer": 42}', content_type="application/json"))
        for _ in range(2):
            end = failed(await ask(gateway, request(model)))
            assert (end.code, end.retryable) == ("provider_error", False)
            assert "base URL" in end.message


class TestBrokenStreams:
    @pytest.mark.parametrize("reset", [False, True])
    @pytest.mark.parametrize("after", [0, 1, 3])
    async def test_a_cut(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec, after: int, reset: bool
    ) -> None:
        server.queue(Answer(["one ", "two ", "three ", "four"], usage=USAGE, at={after: Cut(reset=reset)}))
        events = await ask(gateway, request(model))
        [served] = server.wait_served(1)
        end = failed(events)
        assert (end.code, end.retryable, end.may_have_cost, end.report) == (
            "provider_unavailable",
            True,
            True,
            None,
        )
        # After a reset what is still on its way may be lost.
        assert served.text.startswith(text_of(events))
        assert reset or served.text == text_of(events)
        assert not served.usage_told

    async def test_a_cut_before_the_head(self, gateway: Gateway, kind: str) -> None:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as rude:
            url = f"http://127.0.0.1:{rude.sockets[0].getsockname()[1]}"
            end = failed(await ask(gateway, request(spec(kind, url))))
        assert (end.code, end.retryable, end.may_have_cost) == ("provider_unavailable", True, False)

    async def test_an_end_without_a_finish_reason(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec
    ) -> None:
        server.queue(Answer("Half an", finish_reason=None))
        events = await ask(gateway, request(model))
        end = failed(events)
        assert (end.code, end.may_have_cost) == ("provider_unavailable", True)
        assert text_of(events) == "Half an"

    async def test_a_final_figure_before_the_failure_is_kept(
        self, gateway: Gateway, openai_server: OpenAIServer
    ) -> None:
        openai_server.queue(Answer("Half an", finish_reason=None, usage=USAGE))
        report = failed(await ask(gateway, request(spec("openai", openai_server.base_url)))).report
        assert report is not None
        assert (report.usage, report.source) == (USAGE, "provider")

    @pytest.mark.parametrize("after", [0, 2])
    @pytest.mark.parametrize(
        "garbage", [b"data: {not json\n\n", b"data: [1]\n\n", b"<html>oops</html>\n\n", b"data: \xff\xfe\n\n"]
    )
    async def test_garbage(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec, garbage: bytes, after: int
    ) -> None:
        server.queue(Answer(["one ", "two ", "three"], at={after: Garbage(garbage)}))
        events = await ask(gateway, request(model))
        assert (failed(events).code, failed(events).may_have_cost) == ("provider_unavailable", True)
        assert text_of(events) == "one two "[: 4 * after]

    @pytest.mark.parametrize(
        ("fault", "code", "retryable"),
        [
            (ErrorEvent("overloaded_error"), "provider_unavailable", True),
            (ErrorEvent("rate_limit_error"), "provider_unavailable", True),
            (ErrorEvent("something_new"), "provider_unavailable", True),
            (ErrorEvent("authentication_error"), "provider_error", False),
            (ErrorEvent("invalid_request_error"), "provider_error", False),
        ],
    )
    async def test_an_error_event(
        self,
        gateway: Gateway,
        server: ProviderServer,
        model: ModelSpec,
        fault: ErrorEvent,
        code: str,
        retryable: bool,
    ) -> None:
        server.queue(Answer(["one ", "two"], at={1: fault}))
        events = await ask(gateway, request(model))
        end = failed(events)
        assert (end.code, end.retryable, end.may_have_cost) == (code, retryable, True)
        assert fault.message not in end.message
        assert text_of(events) == "one "

    async def test_what_breaks_after_the_finish_reason_breaks_nothing(
        self, gateway: Gateway, openai_server: OpenAIServer
    ) -> None:
        chunk = b'data: {"choices":[{"index":0,"delta":{"content":"whole"},"finish_reason":"stop"}]}\n\n'
        openai_server.queue(Answer(body=chunk + b"data: {oops\n\n"))
        events = await ask(gateway, request(spec("openai", openai_server.base_url)))
        assert completed(events).report.source == "estimated"
        assert text_of(events) == "whole"


class TestTimeouts:
    @pytest.mark.parametrize(
        ("limits", "answer", "words"),
        [
            ({"first_token_timeout_s": 0.3}, Answer(head_gate=Gate()), "begin"),
            ({"first_token_timeout_s": 0.3}, Answer(first_delay_s=30), "begin"),
            ({"between_tokens_timeout_s": 0.3}, Answer(at={2: Silence()}), "silent"),
            ({"total_timeout_s": 0.5}, Answer(["word "] * 1000, delay_s=0.01), "longer"),
            ({"total_timeout_s": 0.5}, Answer(at={1: Silence(pings=True)}), "longer"),
        ],
        ids=["no head", "no first token", "silence", "endless", "pings for ever"],
    )
    async def test_a_limit(
        self,
        server: ProviderServer,
        model: ModelSpec,
        limits: dict[str, float],
        answer: Answer,
        words: str,
    ) -> None:
        server.queue(answer)
        gateway = Gateway(GatewayConfig(**limits))

        end = failed(await ask(gateway, request(model)))

        assert (end.code, end.may_have_cost, end.retryable) == ("provider_timeout", True, False)
        assert words in end.message
        [served] = server.wait_served(1)
        assert served.disconnected
        await gateway.aclose()

    @pytest.mark.parametrize("pings", [True, False])
    async def test_signs_of_life_keep_a_silent_thinker_alive(
        self, server: ProviderServer, model: ModelSpec, pings: bool
    ) -> None:
        server.queue(Answer(["one ", "two"], at={1: Silence(pings=pings, lasts_s=1.2)}))
        gateway = Gateway(GatewayConfig(between_tokens_timeout_s=0.6))
        assert text_of(await ask(gateway, request(model))) == ("one two" if pings else "one ")
        await gateway.aclose()

    async def test_no_connection(self, kind: str) -> None:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            waiting = [socket.socket() for _ in range(4)]
            for client in waiting:
                client.setblocking(False)
                client.connect_ex(full.getsockname())
            gateway = Gateway(GatewayConfig(connect_timeout_s=0.2))
            end = failed(await ask(gateway, request(spec(kind, f"http://127.0.0.1:{full.getsockname()[1]}"))))
            await gateway.aclose()
            for client in waiting:
                client.close()
        assert (end.code, end.may_have_cost, end.retryable) == ("provider_timeout", False, True)


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
