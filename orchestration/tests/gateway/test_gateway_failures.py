"""Model calls that fail: HTTP errors, broken streams and timeouts."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket

import pytest

from orchestration.engine.ports import Opened, TextDelta
from orchestration.engine.specs import ModelSpec, Usage
from orchestration.gateway.gateway import Gateway
from orchestration.gateway.streaming import LEAST_CHARS, PIECE_CHARS, GatewayConfig
from orchestration.tests.gateway import (
    KEY,
    KEY_ENV,
    ask,
    completed,
    failed,
    request,
    spec,
    text_of,
)
from orchestration.tests.gateway.support.wires import USAGE, kind, model, server
from orchestration.tests.providers import (
    Answer,
    Cut,
    ErrorEvent,
    Garbage,
    Gate,
    OpenAIServer,
    ProviderServer,
    Silence,
)

__all__ = ["kind", "model", "server"]

DAY = "Thu, 01 Jan 2099 00:00:00 GMT"


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "code", "retryable", "named"),
        [
            (400, "provider_error", False, "log"),
            (401, "provider_error", False, KEY_ENV),
            (402, "provider_error", False, KEY_ENV),
            (403, "provider_error", False, KEY_ENV),
            (404, "provider_error", False, "test-model-1"),
            (408, "provider_timeout", True, "timed out"),
            (413, "context_overflow", False, "too long"),
            (422, "provider_error", False, "422"),
            (429, "provider_unavailable", True, "rate limit"),
            (500, "provider_unavailable", True, "500"),
            (503, "provider_unavailable", True, "503"),
            (529, "provider_unavailable", True, "529"),
            (999, "provider_unavailable", True, "999"),
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
        server.queue(Answer(status=status, error_message="Sorry, dear customer."))

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
        # The log has the server's own words, which quote the key.
        assert "Incorrect API key provided: [key]" in caplog.text
        assert KEY not in caplog.text + end.message

    async def test_message_text_stays_out_of_the_log(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec, caplog: pytest.LogCaptureFixture
    ) -> None:
        said, told = "my bank PIN is 4711, do not tell", "You are Ana, keeper of secrets."
        server.queue(Answer(status=400, error_message=f'1 validation error: input: "{said}" after "{told}"'))
        await ask(gateway, request(model, said, system=told))
        assert "1 validation error" in caplog.text
        assert "4711" not in caplog.text
        assert "keeper" not in caplog.text

    async def test_an_error_page_that_is_not_json(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec
    ) -> None:
        server.queue(Answer(status=502, body=b"<html>\xff\xfe Bad gateway</html>"))
        assert failed(await ask(gateway, request(model))).code == "provider_unavailable"

    async def test_the_rest_of_a_long_error_body_is_not_read(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec
    ) -> None:
        server.queue(Answer(status=402, body=b'{"error": {"message": "' + b"x" * 64_000_000 + b'"}}'))
        assert "no credit" in failed(await ask(gateway, request(model))).message
        [served] = server.wait_served(1)
        assert served.disconnected

    async def test_a_compressed_answer_is_not_read(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec
    ) -> None:
        body = gzip.compress(b"data: {}\n\n" * 1_000)
        server.queue(Answer(body=body, headers={"content-encoding": "gzip"}))
        end = failed(await ask(gateway, request(model)))
        assert end.code == "provider_unavailable"
        assert server.served[-1].headers["accept-encoding"] == "identity"

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
        # A reset may discard data in transit.
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

    async def test_an_error_that_quotes_the_answer_stays_out_of_the_log(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec, caplog: pytest.LogCaptureFixture
    ) -> None:
        said = ["Alice has been diagnosed ", "with Hodgkin lymphoma."]
        fault = ErrorEvent("invalid_request_error", f"Output blocked by a guardrail: {''.join(said)}")
        server.queue(Answer([*said, "x"], at={2: fault}))
        end = failed(await ask(gateway, request(model)))
        assert "Output blocked by a guardrail" in end.provider_text
        assert "Output blocked by a guardrail" in caplog.text
        assert "Hodgkin" not in end.provider_text + caplog.text

    @pytest.mark.parametrize("size", [30_000, 900_000])
    async def test_an_answer_far_beyond_its_limit_is_ended(
        self, gateway: Gateway, server: ProviderServer, model: ModelSpec, size: int
    ) -> None:
        server.queue(Answer(["x" * size] * (2_000_000 // size)))
        events = await ask(gateway, request(model))
        assert len(text_of(events)) == LEAST_CHARS
        assert max(len(event.text) for event in events if isinstance(event, TextDelta)) <= PIECE_CHARS
        end = completed(events)
        assert (end.finish_reason, end.report.source) == ("length", "estimated")

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
