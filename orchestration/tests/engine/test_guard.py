"""The identity guard cuts an answer that continues the conversation as somebody else, and nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.engine.guard import HELD_CHARS, SpeakerGuard, openings_of
from orchestration.tests.engine.support.world import RELAXED

OPENINGS = [
    *(
        opening
        for name in ("Bob", "Ada Lovelace", "Risk")
        for opening in openings_of(name, name.split()[0].lower())
    ),
    *openings_of("Manager"),
    *openings_of("Manager, to you alone"),
]


def publish(chunks: Iterable[str]) -> tuple[str, SpeakerGuard]:
    guard = SpeakerGuard(OPENINGS)
    text = "".join([*(guard.feed(chunk) for chunk in chunks), guard.finish()])
    return text, guard


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Bob: I agree.", "Bob"),
        ("Bob：我同意", "Bob"),
        ("[Bob (@bob)]: I agree.", "Bob"),
        ("[Bob]: I agree.", "Bob"),
        ("Ada Lovelace: I agree.", "Ada Lovelace"),
        ("[Manager]: Let us go on.", "Manager"),
        ("[Manager, to you alone]: Say what you think.", "Manager, to you alone"),
        ("Bob:\nI agree.", "Bob"),
        ("Bob:\n\nI agree.", "Bob"),
        ('Bob: "Yes", and I say more.', "Bob"),
        ("Bob: " + "x" * 2000, "Bob"),
    ],
)
def test_an_answer_ends_before_it_continues_as_somebody_else(line: str, name: str) -> None:
    for before in (
        "I think so.\n\n",
        "One.\r\n\r\nTwo.\n \n",
        "- one\n- two\n\n",
        "A\n```\nBob: code\n```\n\n",
    ):
        for after in ("", "\n", "\n\nI think so too."):
            text = before + line + after
            for chunks in ([text], list(text)):
                published, guard = publish(chunks)
                assert (published, guard.withheld, guard.cut_for) == (before, line + after, name)


@pytest.mark.parametrize(
    "text",
    [
        "Three views.\n\n**Bob:** 12 % of revenue.\n\n**Ada Lovelace:** check the lease.",
        "Bob: you said 12 % of revenue, and I agree. Still, check the lease.",
        "[Bob (@bob)]: you said 12 %.",
        "What to watch.\n\n### Risk: high\n\nThe roof leaks.",
        "As was said:\n\n> Bob: 12 % of revenue\n\nI doubt that.",
        "The views in short:\n\nBob: 12 % of revenue.",
        'I doubt it.\n\nBob: "12 % of revenue".\n\nThat is too much.',
        "I doubt it.\n\nBob:\n> 12 % of revenue\n\nThat is too much.",
        'I doubt it.\n\nBob:\n"12 % of revenue"',
        "I doubt it.\nBob: 12 %.",
        "I doubt it.\n\n- Bob: 12 %",
        "I doubt it.\n\n1. Bob: 12 %",
        "I doubt it.\n\n  Bob: 12 %",
        "I doubt it.\n\n*Bob: 12 %*",
        "I doubt it.\n\n`Bob: 12 %`",
        "I doubt it.\n\n```\n\nBob: 12 %\n```",
        "I doubt it.\n\n| Bob: | 12 % |",
        "I doubt it.\n\nBob's view: wait.",
        "I doubt it.\n\nbob: a name in lower case",
        "I doubt it.\n\nBobby: a film.",
        "I doubt it.\n\n[Bob](https://bob.example) has more.",
        "I doubt it.\n\nBob:",
        "I doubt it.\n\nBob",
        "I doubt it.\n\n[Bob (@b",
        "I doubt it.\n\nLet us ask Bob: he knows.",
        "\n\nBob: the answer's first line.",
        "",
    ],
)
def test_text_about_others_stays(text: str) -> None:
    for chunks in ([text], list(text)):
        published, guard = publish(chunks)
        assert (published, guard.withheld, guard.cut_for) == (text, "", "")


PARTS = (
    "Bob",
    "Bob:",
    "[Bob (@bob)]:",
    ":",
    "：",
    " ",
    "\n",
    "\n\n",
    "\r\n",
    '"',
    ">",
    "- ",
    "```",
    "`",
    "x",
    "é",
    "**",
)
TEXTS = st.lists(st.sampled_from(PARTS), max_size=20).map("".join) | st.text()


@RELAXED
@given(text=TEXTS, cuts=st.lists(st.integers(0, 100), max_size=8))
def test_the_division_into_chunks_changes_nothing(text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    pieces = [text[start:end] for start, end in itertools.pairwise(places)]

    (whole, guard), (parted, other) = publish([text]), publish(pieces)

    assert (whole, guard.withheld, guard.cut_for) == (parted, other.withheld, other.cut_for)
    assert whole + guard.withheld == text


def test_blanks_after_a_name_are_not_held_without_end() -> None:
    text = "I doubt it.\n\nBob:\n" + " " * HELD_CHARS + "Rent it."
    assert publish([text])[0] == text


@RELAXED
@given(text=TEXTS)
def test_a_cut_follows_a_paragraph_of_the_agents_own(text: str) -> None:
    published, guard = publish([text])
    if guard.tripped:
        assert published.strip()
        assert guard.withheld.startswith(("Bob", "[Bob"))


def test_words_are_passed_on_at_once() -> None:
    guard = SpeakerGuard(OPENINGS)

    assert [guard.feed(word) for word in ("I ", "doubt", " it", ".\n\n", "Well")] == [
        "I ",
        "doubt",
        " it",
        ".\n\n",
        "Well",
    ]
