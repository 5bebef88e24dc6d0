"""Thoughts inside an answer's text are reasoning, however the text arrives."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.engine.thoughts import SPLIT_CHARS, ThoughtSplitter, joined, split_thoughts
from orchestration.tests.engine.support.world import RELAXED

PARTS = (
    *(
        "<think>",
        "</think>",
        "<thinking>",
        "</thinking>",
        "<reasoning>",
        "</reasoning>",
        "[THINK]",
        "[/THINK]",
        "<|begin_of_thought|>",
        "<|end_of_thought|>",
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant",
        "<|channel|>final<|message|>",
    ),
    *(
        "<THINK>",
        "</Think>",
        "<thi",
        "nk>",
        "</",
        "<",
        ">",
        "`",
        "```",
        "~~~",
        "\n",
        "\n\n",
        " ",
        "- ",
        "> ",
        '"',
    ),
    *("Rent it.", "hm", "é", "😀", "<b>", "[link]", "x < y"),
)
TEXTS = st.lists(st.sampled_from(PARTS), max_size=24).map("".join)


def split_in_pieces(text: str, cuts: list[int], *, opens_in_thought: bool = False) -> tuple[str, str]:
    splitter = ThoughtSplitter(opens_in_thought=opens_in_thought)
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    pieces = []
    for start, end in itertools.pairwise(places):
        pieces += splitter.feed(text[start:end])
    return joined([*pieces, *splitter.finish()])


@RELAXED
@given(text=TEXTS, cuts=st.lists(st.integers(0, 400), max_size=12))
def test_the_division_into_chunks_changes_nothing(text: str, cuts: list[int]) -> None:
    whole = split_in_pieces(text, [])

    assert split_in_pieces(text, cuts)[0] == whole[0]
    assert split_in_pieces(text, list(range(len(text)))) == whole


@RELAXED
@given(text=TEXTS, cuts=st.lists(st.integers(0, 400), max_size=12))
def test_the_division_changes_nothing_for_a_model_that_opens_in_thought(text: str, cuts: list[int]) -> None:
    whole = split_in_pieces(text, [], opens_in_thought=True)

    assert split_in_pieces(text, cuts, opens_in_thought=True) == whole


@RELAXED
@given(text=st.text())
def test_text_without_tags_is_the_answer(text: str) -> None:
    assert split_in_pieces(text, [1, 2, 3]) == (text, "")


@pytest.mark.parametrize(
    ("text", "answer", "reasoning"),
    [
        ("<think>hm</think>\n\nRent it.", "Rent it.", "hm"),
        ("<thinking>hm</thinking>Rent it.", "Rent it.", "hm"),
        ("<reasoning>\nhm\n</reasoning>\nRent it.", "Rent it.", "\nhm\n"),
        ("<thought>hm</thought>Rent it.", "Rent it.", "hm"),
        ("[THINK]hm[/THINK]Rent it.", "Rent it.", "hm"),
        ("<THINK>hm</Think>Rent it.", "Rent it.", "hm"),
        ("<|begin_of_thought|>hm<|end_of_thought|>Rent it.", "Rent it.", "hm"),
        (
            "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Rent it.",
            "Rent it.",
            "hm",
        ),
        ("hm<|channel|>final<|message|>Rent it.", "Rent it.", "hm"),
        ("\n\n<think>\n\n</think>\n\nRent it.", "Rent it.", "\n\n"),
        ("hm</think>\n\nRent it.", "Rent it.", "hm"),
        ("Two\nlines.\n</think>\n\nRent it.", "Rent it.", "Two\nlines.\n"),
        ("</think>\n\nRent it.", "Rent it.", ""),
        ("<think>a</think>\n</think>\n\nRent it.", "Rent it.", "a"),
        ("<think>a</think>\nOne.\n<think>b</think>\nTwo.", "One.\n\nTwo.", "ab"),
        ("One. <think>b</think>Two.", "One. Two.", "b"),
        ("<think>a<think>b</think>c</think>d", "d", "a<think>b</think>c"),
        ("<think>the <think> tag</think>Rent it.", "Rent it.", "the <think> tag</think>Rent it."),
        ("<think>hm, and then", "", "hm, and then"),
        ("One.\n<think>hm", "One.\n", "hm"),
        (
            "It writes <think> before it answers.",
            "It writes <think> before it answers.",
            " before it answers.",
        ),
        ("<think>`</think>` ends it.</think>Rent it.", "Rent it.", "`</think>` ends it."),
        ("<think>```\nx = 1</think>Rent it.", "Rent it.", "```\nx = 1</think>Rent it."),
    ],
)
def test_thoughts_and_answers_are_separated(text: str, answer: str, reasoning: str) -> None:
    assert split_thoughts(text) == (answer, reasoning)


@pytest.mark.parametrize(
    "text",
    [
        "Write `<think>` first and `</think>` last.",
        "Write ``<think>`` first.",
        "```html\n<think>hm</think>\n```\nThat is it.",
        "- A list:\n  ~~~\n  <think>hm</think>\n  ~~~\nThat is it.",
        "> ```\n> </think>\n> ```\nThat is it.",
        'The tag "<think>" opens it and "</think>" closes it.',
        "<b>bold</b> <thinker> a < b [link](x) [THIN",
        "  indented",
        "\n\n",
    ],
)
def test_what_only_looks_like_a_thought_stays(text: str) -> None:
    assert split_thoughts(text) == (text, "")


def test_thousands_of_tags_in_one_piece_are_few_pieces() -> None:
    splitter = ThoughtSplitter()
    pieces = splitter.feed("a </think>" * 5_000 + "Rent it.")
    assert joined(pieces) == ("Rent it.", "a " * 5_000)
    assert len(pieces) == 3


def test_text_is_passed_on_at_once() -> None:
    splitter = ThoughtSplitter()

    pieces = [joined(splitter.feed(word))[0] for word in ("Rent ", "the ", "shop", " <b>", " now. ")]

    assert pieces == ["Rent ", "the ", "shop", " <b>", " now. "]


def test_a_model_that_opens_in_thought_shows_it_as_reasoning_at_once() -> None:
    splitter = ThoughtSplitter(opens_in_thought=True)

    assert joined(splitter.feed("Okay, a shop.")) == ("", "Okay, a shop.")
    assert joined(splitter.feed("</think>\n\nRent it.")) == ("Rent it.", "")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Rent it.", "Rent it."),
        ("<think>hm</think>\nRent it.", "Rent it."),
        ("hm\n</think>Rent it.", "Rent it."),
    ],
)
def test_a_model_that_opens_in_thought_may_do_otherwise(text: str, answer: str) -> None:
    assert split_in_pieces(text, [], opens_in_thought=True)[0] == answer


def test_reasoning_that_the_server_has_separated_ends_the_wait_for_a_closing_tag() -> None:
    splitter = ThoughtSplitter(opens_in_thought=True)
    splitter.skip_implicit_thought()

    assert joined(splitter.feed("Rent it.")) == ("Rent it.", "")


def test_of_a_very_long_answer_only_the_end_is_read() -> None:
    """Splitting it all would keep every other turn waiting."""
    answer, reasoning = split_thoughts("a\n</think>\n" * 100_000 + "It is 4.")
    assert answer == "It is 4."
    assert len(reasoning) <= SPLIT_CHARS
