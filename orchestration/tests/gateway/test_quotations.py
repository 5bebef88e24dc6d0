"""A provider's quotations of a request are not logged, however they are escaped and cut."""

from __future__ import annotations

import html
import json
import time

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.gateway.error_bodies import facts_of
from orchestration.gateway.errors import Origin, failure
from orchestration.gateway.quotations import (
    PIECE,
    PLACEHOLDER,
    Quoted,
    _letters,
    letters_of,
    without_quotations,
)
from orchestration.gateway.refusals import refusal_of
from orchestration.tests.gateway import KEY, spec

MESSAGE = (
    '@all my bank PIN is 4711 and the safe is behind the "Rembrandt".\n'
    "Tell nobody, ça va? 保险箱的密码是四七一一。"
)
SECRETS = ("4711", "Rembrandt", "bank", "nobody", "保险箱的密码")
TWICE = json.dumps(json.dumps(MESSAGE))


@pytest.mark.parametrize(
    "quotation",
    [
        MESSAGE,
        json.dumps(MESSAGE),
        json.dumps(MESSAGE, ensure_ascii=False),
        TWICE,
        repr(MESSAGE),
        ascii(MESSAGE),
        html.escape(MESSAGE),
        MESSAGE.upper(),
        " ".join(MESSAGE.split()),
        MESSAGE[5:45],
        json.dumps(MESSAGE)[9:52],
        TWICE[40:-20],
        MESSAGE[:24] + "..." + MESSAGE[-24:],
        MESSAGE[10:34],
    ],
)
def test_quotations_are_taken_out(quotation: str) -> None:
    text = f"1 validation error: input: {{'content': '{quotation}'}} [type=too_long, code=E42]"
    told = without_quotations(text, ["You are careful.", MESSAGE])
    assert not [secret for secret in SECRETS if secret.lower() in told.lower()]
    assert told.startswith("1 validation error: input: {'content': '")
    assert told.endswith("[type=too_long, code=E42]")
    assert PLACEHOLDER in told


@given(st.text(min_size=24), st.data())
def test_any_part_long_enough_is_found(message: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(message) - 24))
    part = message[start : start + 24]
    told = without_quotations(f"<<{json.dumps(part)}>>", [message])
    letters = "".join(char for char in part if char.isalnum() and char <= "\uffff")
    if len(letters) >= 12:
        assert part not in told
        assert PLACEHOLDER in told


@pytest.mark.parametrize("short", ["PIN 4711", "4711", "hunter2", "是四七"])
def test_a_short_message_is_found_whole(short: str) -> None:
    assert without_quotations(f'{{"input": "{short}", "n": 1}}', [short]) == (
        f'{{"input": "{PLACEHOLDER}", "n": 1}}'
    )
    assert without_quotations(f"x{short}y", [short]) == f"x{short}y"


def test_text_that_is_not_quoted_stays() -> None:
    text = (
        '{"error": {"type": "invalid_request_error", "code": "context_length_exceeded", "param": "messages"}}'
    )
    assert without_quotations(text, ["", "Hi!", "...", "What is a council?"]) == text


def test_a_long_conversation_is_compared_in_time() -> None:
    messages = [f"Message {number} of many, each with its own words. " * 20 for number in range(500)]
    started = time.process_time()
    without_quotations("x " * 10_000, messages)
    assert time.process_time() - started < 10


def test_a_long_run_of_backslashes_is_looked_through_in_time() -> None:
    started = time.process_time()
    without_quotations("An error.", ["\\" * 200_000])
    without_quotations("\\" * 16_000, [MESSAGE])
    assert time.process_time() - started < 10


@pytest.mark.parametrize("quote", [lambda text: text, json.dumps, lambda text: text[6:40]])
def test_the_log_of_a_refusal_has_its_reason_and_not_the_message(quote, caplog) -> None:
    origin = Origin(spec(), KEY, "req_1", texts=["You are careful.", MESSAGE])
    body = f'{{"error": {{"code": "E42", "message": "1 validation error: input: {quote(MESSAGE)}"}}}}'
    refusal = httpx2.Response(400, text=body)
    failure(httpx2.HTTPStatusError("", request=httpx2.Request("POST", "http://x/"), response=refusal), origin)
    assert "HTTP 400" in caplog.text
    assert "e42" in caplog.text.lower()
    assert "1 validation error" in caplog.text
    assert "4711" not in caplog.text
    assert "4711" not in repr(origin)


@pytest.mark.parametrize(
    "message",
    [
        '{"param": "max_tokens", "type": "unknown_parameter", "x": "BAD"}',
        '[{"loc": ["max_tokens"], "type": "extra_forbidden"}]',
    ],
)
@pytest.mark.parametrize(
    "quote", [lambda text: text, lambda text: f"[{text}]", lambda text: json.dumps([text])]
)
def test_json_in_a_message_is_no_fact_about_the_model(message: str, quote) -> None:
    """Otherwise one user's message could take a field out of everybody's requests."""
    body = {
        "error": {"message": f"Rejected by moderation: {quote(message)}", "type": "invalid_request_error"}
    }
    refusal = refusal_of(body, 400, spec(), sent=("max_tokens", "system"), quoted=[message])
    assert (refusal.code, refusal.field) == ("provider_error", "")
    facts = facts_of(body, [message])
    assert (facts.paths, facts.codes) == ([], ["invalid_request_error"])


def test_an_error_inside_a_message_is_read_beside_a_quotation() -> None:
    inner = {
        "error": {"message": f"bad input {MESSAGE}", "param": "temperature", "code": "unsupported_value"}
    }
    body = {"error": {"message": f"upstream said: {json.dumps(inner)}"}}
    facts = facts_of(body, [MESSAGE])
    assert (facts.paths, facts.codes) == (["temperature"], ["unsupported_value"])


TEXTS = st.text(st.sampled_from('ab\\u00e9 "n&amp;#65;ßÉİ中文1\U0001f600_x41-'), max_size=60)


@given(text=TEXTS)
def test_letters_are_read_at_once_as_one_by_one(text: str) -> None:
    assert letters_of(text) == _letters(text)[0]


@given(
    before=TEXTS,
    quotation=st.text("abcdef ", min_size=30, max_size=50),
    after=TEXTS,
    place=st.integers(0, 40),
)
def test_a_quotation_is_found_wherever_it_stands(before: str, quotation: str, after: str, place: int) -> None:
    part = quotation[place % 10 :]
    if len(part.replace(" ", "")) < PIECE:
        return
    told = without_quotations(f"error: <{part}>", Quoted([f"{before} {quotation} {after}"]))
    assert told.removeprefix("error: <").strip().startswith(PLACEHOLDER)
    assert not any(character in told.split(PLACEHOLDER, 1)[1] for character in "abcdef")
