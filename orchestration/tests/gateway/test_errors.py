"""Errors as data, for cases that are hard to provoke on a server; the others are in test_gateway.py."""

from __future__ import annotations

import json
import logging

import httpx2
import pytest

from orchestration.gateway.errors import ErrorEvent, Origin, failure, retry_after_s
from orchestration.tests.gateway import KEY, spec

NOW_S = 1_800_000_000.0
ORIGIN = Origin(spec(), KEY, "req_1")
REQUEST = httpx2.Request("POST", "http://127.0.0.1/")


@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:30 GMT"}, 30.0),
        ({"retry-after": "Fri, 15 Jan 2027 07:00:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 99 Jan 2027 07:00:00 GMT"}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
    ],
)
def test_retry_after(headers: dict[str, str], pause_s: float | None) -> None:
    assert retry_after_s(headers, NOW_S) == pause_s


@pytest.mark.parametrize(
    ("error", "code", "retryable", "may_have_cost"),
    [
        (httpx2.ConnectError("refused"), "provider_unavailable", True, False),
        (httpx2.ConnectTimeout("slow"), "provider_timeout", True, False),
        (httpx2.PoolTimeout("full"), "provider_timeout", True, False),
        (httpx2.ReadTimeout("slow"), "provider_timeout", False, True),
        (httpx2.WriteError("broken"), "provider_unavailable", True, True),
        (httpx2.ReadError("reset"), "provider_unavailable", True, True),
        (httpx2.RemoteProtocolError("incomplete chunked read"), "provider_unavailable", True, True),
        (OSError("odd"), "provider_unavailable", True, True),
        (RuntimeError("a bug"), "provider_error", False, True),
    ],
)
def test_exceptions(error: Exception, code: str, retryable: bool, may_have_cost: bool) -> None:
    failed = failure(error, ORIGIN)
    assert (failed.code, failed.retryable, failed.may_have_cost) == (code, retryable, may_have_cost)


def test_an_sdks_exception_is_known_by_its_cause() -> None:
    wrapped = RuntimeError("Connection error.")
    wrapped.__cause__ = httpx2.ConnectError("refused")
    assert failure(wrapped, ORIGIN).may_have_cost is False


def test_a_provider_that_says_not_to_retry() -> None:
    error = httpx2.HTTPStatusError(
        "",
        request=REQUEST,
        response=httpx2.Response(429, headers={"x-should-retry": "false", "retry-after": "5"}),
    )
    failed = failure(error, ORIGIN)
    assert (failed.code, failed.retryable, failed.retry_after_s) == ("provider_unavailable", False, None)


@pytest.mark.parametrize(
    ("event", "code", "retryable"),
    [
        ({"code": 502, "message": "x"}, "provider_unavailable", True),
        ({"code": 400, "message": "x"}, "provider_error", False),
        ({"code": "rate_limit_exceeded", "type": "requests"}, "provider_unavailable", True),
        ({"type": "invalid_request_error", "code": "context_length_exceeded"}, "context_overflow", False),
        ({"code": True}, "provider_unavailable", True),
        ("just a text", "provider_unavailable", True),
        (None, "provider_unavailable", True),
    ],
)
def test_error_events(event: object, code: str, retryable: bool) -> None:
    failed = failure(ErrorEvent({"error": event}), ORIGIN)
    assert (failed.code, failed.retryable, failed.may_have_cost) == (code, retryable, True)


def test_what_the_model_wrote_is_not_shown_with_its_refusal(caplog: pytest.LogCaptureFixture) -> None:
    inner = {
        "message": "Failed to generate JSON",
        "code": "json_validate_failed",
        "failed_generation": "Alice is ill.",
    }
    for body in ({"error": inner}, {"error": {"message": f"GroqException - {json.dumps({'error': inner})}"}}):
        response = httpx2.Response(400, json=body)
        failed = failure(httpx2.HTTPStatusError("", request=REQUEST, response=response), ORIGIN)
        assert "Failed to generate JSON" in failed.provider_text
        assert "ill" not in failed.provider_text + caplog.text


def test_the_log_has_one_line_with_the_providers_text_and_without_keys(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = httpx2.HTTPStatusError(
        "", request=REQUEST, response=httpx2.Response(400, text=f"bad\nline {KEY} \x1b[31m " + "x" * 10_000)
    )
    message = failure(error, ORIGIN).message
    [record] = caplog.records
    text = record.getMessage()
    assert record.levelno == logging.WARNING
    assert "test test-model-1: HTTP 400 (request req_1): 'bad\\nline [key] \\x1b[31m" in text
    assert len(text) < 2500
    assert KEY not in text + message
    assert "bad" not in message


def test_an_unexpected_error_is_logged_with_its_traceback_and_without_keys(
    caplog: pytest.LogCaptureFixture,
) -> None:
    try:
        raise RuntimeError(f"Illegal header value {KEY}")
    except RuntimeError as error:
        failure(error, ORIGIN)
    assert any(
        record.levelno == logging.ERROR and "Traceback" in record.getMessage() for record in caplog.records
    )
    assert KEY not in caplog.text


def test_messages_for_a_provider_without_a_key_variable() -> None:
    error = httpx2.HTTPStatusError("", request=REQUEST, response=httpx2.Response(401))
    assert "key variable" in failure(error, Origin(spec(key_env=""), "")).message
