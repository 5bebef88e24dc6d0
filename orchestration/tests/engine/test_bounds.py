"""No tokenizer exceeds the bound of a text, and an ordinary text's bound is below its bytes."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestration.engine.bounds import most_input, most_tokens
from orchestration.engine.context import merge_roles
from orchestration.engine.purposes import Purpose
from orchestration.engine.routing import routing_schema
from orchestration.engine.specs import ChatMessage, ModelRequest
from orchestration.engine.vocabulary import CHARACTERS, WORDS
from orchestration.tests.engine.support.world import model_spec

PIECES = re.compile(r" ?[^\W\d_]+| +(?= )|.", re.DOTALL)
"""Where tokenizers split before they merge: a word includes the space before it."""


def worst(text: str) -> int:
    """Return the tokens of the worst possible tokenizer.

    Its vocabulary has the bytes, three spaces, and the words and characters common to all tokenizers. The last of
    several spaces joins the next token. Counted with and without normalization, since tokenizers do either.
    """
    return max(
        sum(map(tokens_of, PIECES.findall(form))) for form in (text, unicodedata.normalize("NFKC", text))
    )


def tokens_of(piece: str) -> int:
    if piece.startswith(" ") and piece[1:] in WORDS:
        return 1
    if len(piece) > 1 and not piece.strip(" "):
        return -(-len(piece) // 3)
    return sum(
        1 if character in CHARACTERS else len(character.encode("utf-8", "surrogatepass"))
        for character in piece
    )


RARE = "\u4e42\ud7a3\U0001f9ff\U0002a6a5\ufdfa\u3300\u01d8\u0323\u0301"
"""Rare letters, an emoji, ligatures that normalization splits, and marks that it reorders."""
fragments = st.one_of(
    st.sampled_from(sorted(WORDS)).map(" {}".format),
    st.sampled_from(sorted(WORDS)),
    st.sampled_from(sorted(CHARACTERS)),
    st.sampled_from([", ", ". ", "\n", "    ", "        ", " ", "'s", "_", "1", "x", "\t", *RARE]),
    st.integers(1, 20).map(" ".__mul__),
    st.text(max_size=8),
)
texts = st.lists(fragments, max_size=60).map("".join)


@given(texts)
@example(" the" * 50)
@example("    1" * 50)
@example(" the,the.the" * 50)
@example("\u01d8\u0324" * 50)
def test_no_tokenizer_makes_more_than_the_bound(text: str) -> None:
    assert worst(text) <= most_tokens(text)


@given(texts)
def test_only_normalization_makes_a_bound_of_more_than_bytes(text: str) -> None:
    if text.isascii():
        assert most_tokens(text) <= len(text)


@pytest.mark.parametrize(
    "dense",
    [
        "{~}|" * 1_000,
        "q z x j " * 500,
        "Zm9vYmFyIGJhejEyMzQ1Njc4OTAr" * 100,
        "0123456789" * 400,
        "\n" * 4_000,
        "\u4e42\u4e5c\u4e63" * 400,
        "\U0001f9ff" * 1_000,
        "xqzjk" * 800,
    ],
)
def test_what_can_be_a_token_a_byte_is_bounded_by_its_bytes(dense: str) -> None:
    assert most_tokens(dense) == len(dense.encode())


@pytest.mark.parametrize(
    ("ordinary", "share"),
    [
        ("What do you think is the right way forward, and which of the two should we have taken first?", 0.5),
        ("        return value if value is not None else default\n", 0.75),
        ("\u6211\u4eec\u4eca\u5929\u5728\u8fd9\u91cc\u8bf4\u7684\u662f\u4ec0\u4e48\u3002", 0.5),
        (
            "\u041d\u0430\u0441\u043a\u043e\u043b\u044c\u043a\u043e \u044d\u0442\u043e \u0432\u0430\u0436\u043d\u043e",
            0.6,
        ),
    ],
)
def test_an_ordinary_text_is_not_bounded_by_its_bytes(ordinary: str, share: float) -> None:
    assert most_tokens(ordinary) <= share * len(ordinary.encode())


def test_what_stands_around_the_texts_is_bounded_too() -> None:
    """A chat template's own words for each message and each request, and the schema for an answer."""
    request = ModelRequest(model_spec(), "Be brief.", (ChatMessage("user", "Why?"),), 100, Purpose.ROUTE)
    more = replace(
        request, messages=(*request.messages, ChatMessage("assistant", ""), ChatMessage("user", ""))
    )
    formed = replace(request, json_schema=routing_schema(["ana", "bob"]))
    texts = most_tokens("Be brief.") + most_tokens("Why?")
    assert most_input(request) - texts >= 2 * 5 + 100
    assert most_input(more) - most_input(request) >= 2 * 5
    assert most_input(formed) - most_input(request) >= len(str(routing_schema(["ana", "bob"])))


@given(st.lists(texts, min_size=1, max_size=5))
def test_the_bound_of_joined_messages_is_that_of_the_text_which_is_sent(parts: list[str]) -> None:
    [joined] = merge_roles(ChatMessage("user", text * 3) for text in parts)
    assert joined.text == "\n\n".join(text * 3 for text in parts)
    request = ModelRequest(model_spec(), "Be brief.", (joined,), 100, Purpose.ROUTE)
    whole = replace(request, messages=(ChatMessage("user", joined.text),))
    assert most_input(request) == most_input(whole)
