"""Bytes become the payloads of events, however they are split."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.gateway.sse import NotAnEventStream, SseReader, TextJoiner, clean, parse


def read(*chunks: bytes) -> list[str]:
    reader = SseReader()
    return [*(payload for chunk in chunks for payload in reader.feed(chunk)), *reader.finish()]


@pytest.mark.parametrize(
    ("stream", "payloads"),
    [
        (b"data: 1\n\ndata: 2\n\n", ["1", "2"]),
        (b"data:1\r\n\r\ndata: 2\r\n\r\n", ["1", "2"]),
        (b"data: 1\r\rdata: 2\r\r", ["1", "2"]),
        (b"event: x\ndata: 1\nid: 7\nretry: 5\n\n", ["1"]),
        (b": comment\n\ndata: 1\n\n: another\n\n", ["1"]),
        (b'data: {\ndata: "a": 1}\n\n', ['{\n"a": 1}']),
        (b"\xef\xbb\xbfdata: 1\n\n", ["1"]),
        (b"data: no closing line", ["no closing line"]),
        (b"data:\n\ndata: 1\n\n", ["1"]),
        (b"new-field: x\ndata: 1\n\n", ["1"]),
        ("data: a\u2028b\u0085c\n\n".encode(), ["a\u2028b\u0085c"]),
        (b"", []),
    ],
)
def test_payloads(stream: bytes, payloads: list[str]) -> None:
    assert read(stream) == payloads
    assert read(*(stream[n : n + 1] for n in range(len(stream)))) == payloads


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1)),
    st.data(),
)
def test_any_cut_reads_the_same(texts: list[str], data: st.DataObject) -> None:
    texts = [f"x{text}" for text in texts]
    stream = "".join(f"data: {text}\r\n\r\n" for text in texts).encode()
    cut = data.draw(st.integers(0, len(stream)))
    assert read(stream[:cut], stream[cut:]) == texts


@pytest.mark.parametrize("line", [b"<html>", b"Internal Server Error", b'{"error": 1}', b"\xff\xfe"])
def test_unknown_fields_are_not_an_event_stream(line: bytes) -> None:
    with pytest.raises(NotAnEventStream):
        read(b"data: 1\n\n" + line + b"\n\n")


def test_an_endless_line_is_not_kept() -> None:
    with pytest.raises(NotAnEventStream, match="bytes"):
        read(*[b"data: " + b"x" * 2**20] * 17)


def test_an_event_of_endless_lines_is_not_kept() -> None:
    with pytest.raises(NotAnEventStream):
        read(b"data: a\n" * 200_000)


@pytest.mark.parametrize("payload", ["", "{", "1", "null", "[]", '"text"', "[" * 100_000, "9" * 5000])
def test_anything_but_an_object_is_not_an_event(payload: str) -> None:
    with pytest.raises(NotAnEventStream):
        parse(payload)


@given(st.text(st.characters(codec=None)))
def test_clean_text_can_be_stored(text: Any) -> None:
    assert "\0" not in clean(text)
    clean(text).encode()


def test_clean_keeps_what_is_clean() -> None:
    assert clean("héllo 👩‍👩‍👧") == "héllo 👩‍👩‍👧"
    assert clean("a\0b\ud83dc") == "a\ufffdb\ufffdc"
    assert clean("\ud83d\ude00") == "😀"


def joined(*pieces: str) -> str:
    joiner = TextJoiner()
    return "".join([*(joiner.feed(piece) for piece in pieces), joiner.finish()])


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (("Gut \ud83d", "\ude00!"), "Gut \U0001f600!"),
        (("\ud83d", "", "\ude00"), "\U0001f600"),
        (("end \ud83d",), "end \ufffd"),
        (("\ud83d", "x"), "\ufffdx"),
        (("\ude00 first",), "\ufffd first"),
        (("a\0b",), "a\ufffdb"),
        (("\udcf0\udc9f", "\udc98\udc80"), "\U0001f600"),
        (("gr\udcc3", "\udcbcn"), "gr\u00fcn"),
        (("\udcc3",), "\ufffd"),
    ],
)
def test_characters_in_two_pieces(pieces: tuple[str, ...], text: str) -> None:
    assert joined(*pieces) == text


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), st.data())
def test_any_cut_of_a_text_gives_the_text(text: str, data: st.DataObject) -> None:
    units = text.encode("utf-16-le")
    cut = 2 * data.draw(st.integers(0, len(units) // 2))
    halves = [part.decode("utf-16-le", "surrogatepass") for part in (units[:cut], units[cut:])]
    assert joined(*halves) == text
    raw = text.encode()
    cut = data.draw(st.integers(0, len(raw)))
    assert joined(*(part.decode("utf-8", "surrogateescape") for part in (raw[:cut], raw[cut:]))) == text
