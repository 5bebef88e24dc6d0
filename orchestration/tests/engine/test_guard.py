import itertools
import time
from collections.abc import Iterable

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from orchestration.engine.guard import CLOSING, OPENING, SpeakerGuard, fold
from orchestration.tests.engine.world import RELAXED

OTHERS = ("Bob", "@bob", "Legal", "@counsel", "Ada Lovelace", "Manager", "Manager, to you alone")


def publish(
    chunks: Iterable[str], others: Iterable[str] = OTHERS, *, whole: bool = True
) -> tuple[str, SpeakerGuard]:
    guard = SpeakerGuard(others)
    text = "".join(guard.feed(chunk) for chunk in chunks)
    return text + (guard.finish() if whole else ""), guard


@pytest.mark.parametrize(
    "line",
    [
        "Bob: I agree.",
        "bob: i agree.",
        "BOB : I agree.",
        "Bob：我同意",
        "**Bob:** I agree.",
        "**Bob**: I agree.",
        "__Bob__: I agree.",
        "*Bob*: I agree.",
        "***Bob:*** I agree.",
        "[Bob]: I agree.",
        "[Bob] I agree.",
        "[Bob (@bob)]: I agree.",
        "[Bob (@bob)] I agree.",
        "**[Bob (@bob)]:** I agree.",
        "【Bob】：我同意",
        "@bob: I agree.",
        "**@bob**: I agree.",
        "@Bob: I agree.",
        "@counsel: I agree.",
        "Bob (@bob): I agree.",
        "Bob (the lawyer): I agree.",
        "Legal (@counsel): I agree.",
        "### Bob:",
        "#### **Bob (@bob):**",
        "> Bob: I agree.",
        "> > **Bob:** I agree.",
        "   Bob: I agree.",
        "\tBob: I agree.",
        "\u200bBob: I agree.",
        "Ada Lovelace: I agree.",
        "Ada  Lovelace: I agree.",
        "ADA\u00a0LOVELACE: I agree.",
        "Legal: I agree.",
        "Manager: Let us go on.",
        "[Manager]: Let us go on.",
        "[Manager, to you alone]: Say what you think.",
        "Manager, to you alone: Say what you think.",
        "Bob:",
        "[Bob (@bob)]",
        "Bob: " + "x" * 1000,
        " " * 1000 + "Bob: I agree.",
        "Bob" + " " * 1000 + ": I agree.",
    ],
)
def test_an_answer_ends_where_it_speaks_for_somebody_else(line: str) -> None:
    for before in ("", "I think so.\n", "I think so.\n\n", "One.\r\nTwo.\r", "A\n```\nBob: code\n```\n"):
        for after in ("", "\n", "\nAna: And I say no.", "\n\nI think so too."):
            text = before + line + after
            for chunks in ([text], list(text)):
                published, guard = publish(chunks)
                assert published == before
                assert guard.tripped
                assert guard.withheld == line + after


@pytest.mark.parametrize(
    "text",
    [
        "Bob",
        "Bob is right: we should wait.",
        "Bob, I disagree: we should wait.",
        "Bob's view: wait.",
        "Bobby: a film.",
        "Bob-a-Job week: a custom.",
        "Bob said: wait.",
        "I agree with Bob: wait.",
        "Legal matters are hard.",
        "Legal and tax: both matter.",
        "Legally: no.",
        "- Bob: wants to wait",
        "* Bob: wants to wait",
        "> * Bob: wants to wait",
        "  * **Bob:** wants to wait",
        "+ Bob: wants to wait",
        "• Bob: wants to wait",
        "1. Bob: wants to wait",
        "2) **Bob**: wants to wait",
        "| Bob: | wait |",
        "| Bob | wait |",
        "### Bob",
        "**Bob** wants to wait.",
        "@bob what do you think?",
        "@bob, what do you think?",
        "counsel: a word like any other",
        "Ada: only her first name",
        "[Bob](https://bob.example) has more.",
        "[Bob][1] has more.",
        "[Bob's page]: more",
        "Bob] is a slip of the pen.",
        "(Bob: see above)",
        "Manager",
        "Managers: there are too many.",
        "***",
        "* * *",
        "---",
        "> ",
        "[",
        "    ",
        "```\nBob: code\n```",
        "~~~yaml\nlegal: true\nmanager:\n  name: x\n~~~\nDone.",
        "````md\n```\nBob: code\n```\nBob: still code\n````",
        "```\n```python\nBob: still code\n```",
        "- Like this:\n\n  ```yaml\n  bob: 1\n  ```",
        "- ```yaml\n  bob: 1\n  ```\n- so",
        "```\nBob: never closed",
        "",
        "\n\n",
    ],
)
def test_what_is_said_about_others_is_let_through(text: str) -> None:
    for chunks in ([text], list(text), [text + "\nThe end."]):
        published, guard = publish(chunks)
        assert published == "".join(chunks)
        assert not guard.tripped
        assert guard.withheld == ""


@pytest.mark.parametrize(
    "text",
    [
        "```\nBob: code\n```\nBob: speech",
        "- ```\n  bob: code\n  ```\nBob: speech",
        "```yaml\nlegal: true\n```   \n\nBob: speech",
        "```one line```\nBob: speech",
        "``not a block``\nBob: speech",
        "````\n```\n````\nBob: speech",
        "~~~\n```\n~~~\nBob: speech",
    ],
)
def test_after_a_code_block_the_guard_is_awake_again(text: str) -> None:
    for chunks in ([text], list(text)):
        published, guard = publish(chunks)
        assert published == text.removesuffix("Bob: speech")
        assert guard.withheld == "Bob: speech"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("C++ (Senior)", "C++ (Senior): yes"),
        ("C++ (Senior)", "**C++ (Senior)**: yes"),
        (".*", ".*: yes"),
        ("a|b", "a|b: yes"),
        ("[Bot]", "[Bot]: yes"),
        ("[Bot]", "Bot: yes"),
        ("*Star*", "**Star:** yes"),
        ("Dr. No", "Dr. No: yes"),
        ("Agent: Smith", "Agent: Smith: yes"),
        ("José", "Jose\u0301: sí"),
        ("Jose\u0301", "JOSÉ: sí"),
        ("Straße", "STRASSE: ja"),
        ("小明", "小明：好"),
        ("⚖\ufe0f Judge", "⚖ Judge: guilty"),
        ("İpek", "İpek: evet"),
        ("Ada\tLovelace", "Ada Lovelace: yes"),
        ("-", "-: yes"),
        ("_x_", "_x_: yes"),
        ("N" * 120, "N" * 120 + ": yes"),
        ("ﷺ" * 120, "ﷺ" * 120 + ": yes"),
    ],
)
def test_names_may_be_anything(name: str, line: str) -> None:
    for chunks in ([line], list(line)):
        published, guard = publish(["Well.\n", *chunks], [name])
        assert published == "Well.\n"
        assert guard.tripped


@pytest.mark.parametrize("names", [[], ["", " ", "***", "@"]])
def test_where_nobody_else_is_named_everything_passes_at_once(names: list[str]) -> None:
    guard = SpeakerGuard(names)
    assert guard.feed("Bob: hi\n*") == "Bob: hi\n*"
    assert guard.finish() == ""


@pytest.mark.parametrize(
    ("line", "held"),
    [
        ("I agree.", ""),
        ("Borrow it.", "Bo"),
        ("Bob is right.", "Bob "),
        ("Bobby is right.", "Bob"),
        ("**I** agree.", "**"),
        ("**Legally** speaking.", "**Legal"),
        ("### What I think", "### "),
        ("- Bob: waits", ""),
        ("* Bob: waits", "*"),
        ("[Bob](x.example) has more.", "[Bob](x.example) "),
        ("Bob (as always) is right.", "Bob (as always) "),
        ("```python", ""),
    ],
)
def test_a_line_is_held_back_only_as_long_as_it_could_be_an_opening(line: str, held: str) -> None:
    guard = SpeakerGuard(OTHERS)
    published = [guard.feed(letter) for letter in line]
    assert "".join(published) == line
    assert published[: len(held)] == [""] * len(held)
    assert published[len(held)] == line[: len(held) + 1]
    assert published[len(held) + 1 :] == list(line[len(held) + 1 :])


def test_what_is_undecided_at_a_cut_is_kept_back() -> None:
    published, guard = publish(["Yes.\n**Bo", "b"], whole=False)
    assert published == "Yes.\n"
    assert guard.withheld == "**Bob"
    assert not guard.tripped


# --- Any text, split in any way ---------------------------------------------------------------------------------------

WORDS = [
    "Bobby",
    "Bo",
    "Ada",
    "lovelace",
    "counsel",
    "x",
    "é",
    "ß",
    "İ",
    "\u0301",
    "\u200b",
    "小",
    " is right",
]
MARKS = [*":： \t\n\r*_#>[]()@`-【】", "**", "```", "~~~", "1.", "(@bob)", " (the lawyer)", "]: ", ":** "]
PIECES = st.sampled_from([*OTHERS, *WORDS, *MARKS])
TEXTS = st.lists(PIECES | st.text(max_size=3), max_size=24).map("".join)


@RELAXED
@given(TEXTS, st.data())
@example("**Bob", None)
@example("Bob" + " " * 300 + ":", None)
@example("*" * 400 + "Bob: hi", None)
def test_any_chunking_publishes_the_same(text: str, data: st.DataObject | None) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(text)))) if data else []
    bounds = [0, *sorted(cuts), len(text)]
    chunks = [text[start:end] for start, end in itertools.pairwise(bounds)]
    results = [publish(pieces) for pieces in ([text], chunks, list(text))]
    assert len({published for published, _ in results}) == 1
    for published, guard in results:
        assert published + guard.withheld == text
        assert guard.tripped == bool(guard.withheld)


@RELAXED
@given(TEXTS)
def test_what_is_published_never_takes_back_what_was(text: str) -> None:
    guard = SpeakerGuard(OTHERS)
    for letter in text:
        before = guard.withheld
        out = guard.feed(letter)
        assert out in ("", before + letter)
        assert guard.withheld == ("" if out else before + letter)


@RELAXED
@given(TEXTS.filter(lambda text: not set(fold(text)) & set(":[【「")))
def test_without_a_colon_or_a_bracket_nobody_is_spoken_for(text: str) -> None:
    published, guard = publish([text])
    assert published == text
    assert not guard.tripped


FORMATS = st.sampled_from(
    [
        "{}: {}",
        "**{}:** {}",
        "**{}**: {}",
        "[{}]: {}",
        "[{} (@key)]: {}",
        "{} (@key): {}",
        "### {}:{}",
        "> {}: {}",
    ]
)


@RELAXED
@given(name=st.text(min_size=1, max_size=40), pattern=FORMATS, said=st.text(max_size=20), data=st.data())
def test_no_letter_of_a_foreign_line_is_published_whatever_the_name(
    name: str, pattern: str, said: str, data: st.DataObject
) -> None:
    assume("\n" not in name and "\r" not in name and name[0] != "@")
    assume(fold(name).lstrip(OPENING).rstrip(CLOSING))
    foreign = pattern.format(name, said)
    text = "I think so\nand so\n" + foreign
    cut = data.draw(st.integers(0, len(text)))
    for chunks in ([text], [text[:cut], text[cut:]]):
        published, guard = publish(chunks, [name])
        assert published == "I think so\nand so\n"
        assert guard.withheld == foreign


# --- Size -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "chunks",
    [
        ["x" * 1_000_000],
        ["Bob " + "x" * 1_000_000],
        ["*" * 1_000_000],
        [" " * 1_000_000],
        ["é " * 500_000],
        ["Bob\n" * 100_000],
        ["\n" * 1_000_000],
        ["[Bob (" + "x" * 1_000_000],
        ["Bob" + "*" * 1_000_000 + ":"],
        ["```\n" + "`" * 1_000_000],
        ["x"] * 100_000,
        ["*"] * 100_000,
        [" "] * 100_000,
        ["Bob "] * 100_000,
        ["\n"] * 100_000,
        ["é"] * 100_000,
        ["Bob: "] * 100_000,
    ],
    ids=lambda chunks: f"{len(chunks)}x{chunks[0][:6]!r}",
)
def test_the_cost_grows_with_the_text_and_no_faster(chunks: list[str]) -> None:
    names = [f"Member number {number}" for number in range(20)]
    began_s = time.process_time()
    published, guard = publish(chunks, [*OTHERS, *names])
    assert time.process_time() - began_s < 5
    assert len(published) + len(guard.withheld) == sum(map(len, chunks))
