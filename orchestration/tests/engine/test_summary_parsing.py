"""Parsing of a summarizer's answer, and the fallback to the text."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.engine.ports import TextDelta
from orchestration.engine.specs import (
    HistoryMessage,
    SummaryItem,
    SummarySpec,
)
from orchestration.engine.summary import (
    FALLBACK_LINE_CHARS,
    FIELDS,
    MAX_ITEM_CHARS,
    MAX_ITEMS,
    MAX_SUMMARY_CHARS,
    fair_share,
    fallback_summary,
    parse_summary,
    summary_schema,
    with_pinned,
)
from orchestration.tests.engine.support.summing import EARLIER, HISTORY, only_summary, run
from orchestration.tests.engine.support.world import (
    RELAXED,
    World,
    answer,
    refused,
    unavailable,
)
from orchestration.tests.engine.test_routing import JSON


def parse(data: object, earlier: SummarySpec | None = None) -> SummarySpec | None:
    return parse_summary(data if isinstance(data, str) else json.dumps(data), HISTORY, earlier)


def test_items_name_the_message_they_came_from() -> None:
    items = [
        {"text": "Ada wants the boat.", "message_seq": 2},
        {"text": "Far away.", "message_seq": 99},
        {"text": "True.", "message_seq": True},
        {"text": "Half.", "message_seq": 2.5},
        {"text": "Word.", "message_seq": "2"},
        {"text": "None."},
        "Bare.",
        {"text": "  "},
        {"text": 5, "message_seq": 2},
        {"message_seq": 2},
        None,
        [],
    ]
    summary = parse({"summary_text": "S", "key_facts": items, "mood": 1, "decisions": {"text": "x"}})
    assert summary is not None
    assert [(item.text, item.message_seq) for item in summary.key_facts] == [
        ("Ada wants the boat.", 2),
        ("Far away.", None),
        ("True.", None),
        ("Half.", None),
        ("Word.", None),
        ("None.", None),
        ("Bare.", None),
    ]
    assert (summary.decisions, summary.open_questions, summary.action_items) == ((), (), ())


def test_an_item_that_is_continued_keeps_its_source() -> None:
    data = {"summary_text": "S", "key_facts": [{"text": "Bob has a map.", "message_seq": 13}]}
    summary, alone = parse(data, EARLIER), parse(data)
    assert summary is not None
    assert alone is not None
    assert summary.key_facts == (SummaryItem("Bob has a map.", 13),)
    assert alone.key_facts == (SummaryItem("Bob has a map.", None),)


def test_a_fence_is_tolerated_and_texts_are_bounded_and_clean() -> None:
    data = {"summary_text": "s" * 50_000, "decisions": [{"text": "d" * 5_000, "message_seq": 1}] * 100}
    summary = parse(f"```json\n{json.dumps(data)}\n```")
    assert summary is not None
    assert len(summary.text) == MAX_SUMMARY_CHARS
    assert len(summary.decisions) == MAX_ITEMS
    assert len(summary.decisions[0].text) == MAX_ITEM_CHARS
    dirty = parse('{"summary_text": "a\\u0000b\\ud800", "key_facts": ["\\u0000"]}')
    assert dirty == SummarySpec("a\ufffdb\ufffd", key_facts=(SummaryItem("\ufffd", None),))


def test_pinned_items_are_kept_first_and_once() -> None:
    new = SummarySpec("S", key_facts=(SummaryItem("Ada has 5,000.", 12), SummaryItem("New.", 1)))
    kept = with_pinned(new, EARLIER)
    assert kept.key_facts == (SummaryItem("Ada has 5,000.", 12, pinned=True), SummaryItem("New.", 1))
    full = SummarySpec("S", key_facts=tuple(SummaryItem(f"New {n}.", 1) for n in range(MAX_ITEMS)))
    assert len(with_pinned(full, EARLIER).key_facts) == MAX_ITEMS
    assert with_pinned(new, None) == new


def test_the_schema_has_the_four_lists() -> None:
    schema: Any = summary_schema()
    assert schema["required"] == list(schema["properties"]) == ["summary_text", *FIELDS]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(
    ("sizes", "room", "share"),
    [([], 10, 0), ([5, 5], 10, 5), ([1, 9], 6, 5), ([9, 1, 9], 11, 5), ([3, 3, 3], 2, 0), ([4], -1, 0)],
)
def test_a_fair_share(sizes: list[int], room: int, share: int) -> None:
    assert fair_share(sizes, room) == share


def test_the_fallback_is_bounded_and_still_says_who_spoke() -> None:
    lines = [HistoryMessage(n, "agent", f"{n} " + "x" * 5_000, "ada", "Ada") for n in range(1, 201)]
    earlier = SummarySpec("e" * MAX_SUMMARY_CHARS)
    summary = fallback_summary(earlier, lines)
    assert len(summary.text) <= MAX_SUMMARY_CHARS
    assert summary.text.startswith("e" * 5_000)
    assert all(f"\nAda (@ada): {n} x" in summary.text for n in range(1, 201))
    assert len(fallback_summary(summary, lines).text) <= MAX_SUMMARY_CHARS


def test_the_fallback_of_very_many_messages_keeps_the_newest() -> None:
    lines = [HistoryMessage(n, "agent", f"{n}", "k" * 64, "N" * 120) for n in range(1, 1_001)]
    text = fallback_summary(EARLIER, lines).text
    assert len(text) <= MAX_SUMMARY_CHARS


@RELAXED
@given(
    st.lists(
        st.builds(
            HistoryMessage,
            st.integers(1, 99),
            st.sampled_from(["user", "agent", "manager"]),
            st.text(min_size=1, max_size=600),
            st.just("ada"),
            st.just("Ada"),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_the_fallback_loses_nothing_but_what_is_beyond_the_cut(lines: list[HistoryMessage]) -> None:
    speakers = {"user": "User", "agent": "Ada (@ada)", "manager": "Manager"}
    told = fallback_summary(None, lines).text.split("\n")
    assert len(told) == len(lines)
    for line, said in zip(lines, told, strict=True):
        text = " ".join(line.text.split())
        whole = f"{speakers[line.role]}: {text}"
        if len(text) <= FALLBACK_LINE_CHARS:
            assert said == whole
        else:
            assert said == f"{speakers[line.role]}: {text[: FALLBACK_LINE_CHARS - 1]}…"


ITEMS = st.lists(
    st.fixed_dictionaries({}, optional={"text": st.text() | JSON, "message_seq": st.integers(-1, 15) | JSON})
    | JSON,
    max_size=6,
)


MINUTES = st.fixed_dictionaries(
    {}, optional={"summary_text": st.text() | JSON, **dict.fromkeys(FIELDS, ITEMS | JSON)}
)


ANSWERS = st.one_of(
    st.text(),
    JSON.map(json.dumps),
    MINUTES.map(json.dumps),
    MINUTES.map(lambda data: f"```json\n{json.dumps(data)}\n```"),
    MINUTES.map(json.dumps).map(lambda text: text[:-1]),
).map(answer) | st.sampled_from([refused(), unavailable(), [TextDelta('{"summary'), *refused()]])


@settings(RELAXED, max_examples=200)
@given(st.data(), st.none() | st.just(EARLIER))
async def test_whatever_a_summarizer_says_there_is_a_summary(
    data: st.DataObject, earlier: SummarySpec | None
) -> None:
    world = World(respond=lambda request: data.draw(ANSWERS))
    result = await run(world, only_summary(earlier))
    assert (result.status, result.error) == ("completed", None)
    assert 1 <= len(world.intents) <= 2
    assert result.summary is not None
    summary = result.summary.summary
    assert summary.text.strip()
    assert len(summary.text) <= MAX_SUMMARY_CHARS
    lists: list[tuple[SummaryItem, ...]] = [getattr(summary, field) for field in FIELDS]
    for item in (item for items in lists for item in items):
        assert item.text.strip()
        assert item.message_seq in {None, 1, 2, 3, 4, 5, 6, 12, 13}
    if earlier is not None:
        assert summary.key_facts[0] == earlier.key_facts[0]
    if result.summary.used_fallback:
        assert [item for items in lists for item in items] == list(earlier.key_facts[:1] if earlier else [])
        for said in (
            "User: Shall we",
            "Ada (@ada): I say yes",
            "Bob (@bob): I say no",
            "Manager: Bob is right",
        ):
            assert said in summary.text
        assert earlier is None or "Bob has a map." in summary.text
    json.dumps([summary.text, *(item.text for items in lists for item in items)], ensure_ascii=False).encode()
