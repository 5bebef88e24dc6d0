import asyncio
import json
import logging
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.engine.context import full_input
from orchestration.engine.control import Control
from orchestration.engine.events import StepStarted
from orchestration.engine.ports import ModelEvent, PastCall, TextDelta
from orchestration.engine.specs import (
    HistoryMessage,
    ModelRequest,
    SummaryItem,
    SummaryPlan,
    SummarySpec,
    TurnSpec,
)
from orchestration.engine.steps import EXHAUSTED, RetryPolicy
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
from orchestration.engine.turn import TurnResult, run_turn
from orchestration.tests.engine.test_routing import JSON
from orchestration.tests.engine.world import (
    RELAXED,
    Block,
    World,
    answer,
    ask,
    council_spec,
    model_spec,
    refused,
    turn_spec,
    unavailable,
)

RETRY = RetryPolicy(retries=0)
HISTORY = (
    HistoryMessage(1, "user", "Shall we buy the boat?"),
    HistoryMessage(2, "agent", "I say yes: it is cheap.", "ada", "Ada"),
    HistoryMessage(3, "agent", "I say no: it leaks.", "bob", "Bob"),
    HistoryMessage(4, "manager", "Bob is right. We wait."),
    HistoryMessage(5, "user", "And the house?"),
    HistoryMessage(6, "agent", "Later.", "ada", "Ada"),
)
EARLIER = SummarySpec(
    "They want to travel.",
    key_facts=(SummaryItem("Ada has 5,000.", 12, pinned=True), SummaryItem("Bob has a map.", 13)),
    open_questions=(SummaryItem("Where to?", None),),
)


def minutes(text: str = "They talked about a boat.", **lists: object) -> list[ModelEvent]:
    return answer(json.dumps({"summary_text": text, **lists}))


def summing(
    mode: str = "manual", *, through: int = 4, first: bool = False, earlier: SummarySpec | None = None
) -> TurnSpec:
    spec = turn_spec("ada", "bob", mode=mode, history=HISTORY)
    return replace(
        spec, summarizer=model_spec("scribe"), summary=earlier, summarize=SummaryPlan(through, first)
    )


def only_summary(earlier: SummarySpec | None = None) -> TurnSpec:
    return replace(
        summing("summary", through=6, first=True, earlier=earlier), message="", index=None, addressed=()
    )


async def run(world: World, spec: TurnSpec) -> TurnResult:
    result = await run_turn(spec, world.ports, world.control, RETRY)
    world.check_books()
    return result


# --- In a turn --------------------------------------------------------------------------------------------------------


async def test_a_summary_is_made_side_by_side_with_the_answers() -> None:
    world = World()
    ada, scribe = Block(), Block()
    decided = {"text": "Bob decided to wait.", "message_seq": 4}
    world.script("Summarizer", [scribe, *minutes(decisions=[decided])])
    world.script("Ada", [ada, *answer("Ada")])
    world.script("Bob", answer("Bob"))
    running = asyncio.create_task(run(world, summing()))
    async with asyncio.timeout(5):
        await ada.reached.wait()
        await scribe.reached.wait()
    ada.release.set()
    scribe.release.set()
    result = await running
    assert [a.text for a in result.answers] == ["Ada", "Bob"]
    assert result.summary is not None
    assert result.summary.summary == SummarySpec(
        "They talked about a boat.", decisions=(SummaryItem("Bob decided to wait.", 4),)
    )
    assert (result.summary.from_seq, result.summary.through_seq, result.summary.used_fallback) == (
        1,
        4,
        False,
    )
    assert "Shall we buy the boat?" in world.told("Ada")[0]
    assert [event.purpose for event in world.events if isinstance(event, StepStarted)] == ["reply", "reply"]


async def test_before_the_answers_where_they_would_not_fit_otherwise() -> None:
    world = World(respond=lambda request: answer(request.speaker_name))
    world.script("Summarizer", minutes())
    result = await run(world, summing(first=True))
    assert world.slots()[0] == "summarize:1"
    (told,) = world.told("Ada")
    assert "They talked about a boat." in told
    assert "Shall we buy the boat?" not in told
    assert "We wait." not in told
    assert "And the house?" in told
    assert result.summary is not None


async def test_the_summarizer_is_told_who_said_what_and_what_was_known() -> None:
    world = World()
    world.script("Summarizer", minutes())
    result = await run(world, only_summary(EARLIER))
    assert (result.status, result.stop_reason, result.answers) == ("completed", None, ())
    (told,) = world.told("Summarizer", "summarize")
    assert "They want to travel." in told
    assert "- Ada has 5,000. (message 12)" in told
    assert "- Where to?\n" in told
    assert "#1 User: Shall we buy the boat?" in told
    assert "#3 Bob (@bob): I say no: it leaks." in told
    assert "#4 Manager: Bob is right." in told
    (request,) = world.requests
    assert request.json_schema is not None
    assert request.max_output_tokens == 1024
    assert [message.role for message in request.messages] == ["user"]


async def test_only_what_is_planned_is_told() -> None:
    world = World(respond=lambda request: answer(request.speaker_name))
    world.script("Summarizer", minutes())
    await run(world, summing(through=3))
    (told,) = world.told("Summarizer", "summarize")
    assert "#3 Bob" in told
    assert "#4" not in told
    assert "Hello" not in told


async def test_every_message_is_told_however_small_the_window() -> None:
    history = tuple(
        HistoryMessage(n, "agent", f"{n} begins " + "é長x" * 5_000, "ada", "Ada") for n in range(1, 101)
    )
    spec = replace(
        only_summary(replace(EARLIER, text="x" * 12_000)),
        history=history,
        summarize=SummaryPlan(100, True),
        summarizer=replace(model_spec(window=8_192), calibration=1.5),
    )
    world = World()
    world.script("Summarizer", minutes())
    await run(world, spec)
    (intent,) = world.intents
    assert intent.context["estimate_after"] <= intent.context["input_budget"]
    assert intent.context["estimate_after"] > intent.context["input_budget"] * 0.8
    (told,) = world.told("Summarizer", "summarize")
    assert all(f"#{n} Ada (@ada): {n} begins" in told for n in range(1, 101))
    assert "- Ada has 5,000. (message 12)" in told


async def test_a_short_message_is_told_whole_beside_long_ones() -> None:
    lines = [HistoryMessage(n, "user", "x" * 100_000) for n in range(1, 5)]
    short = HistoryMessage(9, "user", "We agreed on " + "y" * 2_000)
    spec = replace(only_summary(), history=(*lines, short), summarize=SummaryPlan(9, True))
    world = World()
    world.script("Summarizer", minutes())
    await run(world, spec)
    assert short.text in world.told("Summarizer", "summarize")[0]


async def test_in_orchestrator_mode_too() -> None:
    world = World()
    world.script("Manager", ask(ana="1"))
    world.script("Ana", answer("A"))
    world.script("Summarizer", minutes())
    spec = council_spec(
        "ana", "bob", history=HISTORY, summarizer=model_spec(), summarize=SummaryPlan(4, False)
    )
    result = await run(world, spec)
    assert (result.status, result.stop_reason) == ("completed", "max_rounds")
    assert result.summary is not None


# --- What comes back broken -------------------------------------------------------------------------------------------

BROKEN = [
    "",
    "  ",
    "They talked.",
    "{}",
    '{"summary_text": ""}',
    '{"summary_text": 5}',
    "[" * 100_000,
    '{"summary_text": "They',
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda text: repr(text[:20]))
async def test_a_broken_answer_is_asked_for_once_more(broken: str) -> None:
    world = World()
    world.script("Summarizer", answer(broken), minutes())
    result = await run(world, only_summary())
    assert result.summary is not None
    assert (result.summary.summary.text, result.summary.used_fallback) == ("They talked about a boat.", False)
    assert world.slots() == ["summarize:1", "summarize:2"]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda text: repr(text[:20]))
async def test_and_then_the_text_stands_for_itself(broken: str, caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.script("Summarizer", answer(broken), answer(broken))
    with caplog.at_level(logging.WARNING, "orchestration.engine.summary"):
        result = await run(world, only_summary(EARLIER))
    assert result.status == "completed"
    assert result.summary is not None
    assert result.summary.used_fallback
    assert result.summary.summary == SummarySpec(
        "They want to travel.\n\nKey facts:\n- Bob has a map.\n\nOpen questions:\n- Where to?\n"
        "User: Shall we buy the boat?\n"
        "Ada (@ada): I say yes: it is cheap.\n"
        "Bob (@bob): I say no: it leaks.\n"
        "Manager: Bob is right. We wait.\n"
        "User: And the house?\n"
        "Ada (@ada): Later.",
        key_facts=(SummaryItem("Ada has 5,000.", 12, pinned=True),),
    )
    assert len(world.intents) == 2
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("failure", [refused(), unavailable(), [TextDelta("{"), *unavailable()]])
async def test_a_failed_call_falls_back_and_fails_nothing(failure: list[ModelEvent]) -> None:
    world = World(respond=lambda request: answer(request.speaker_name))
    world.script("Summarizer", failure)
    result = await run(world, summing())
    assert (result.status, result.error) == ("completed", None)
    assert result.summary is not None
    assert result.summary.used_fallback
    assert "summarize:2" not in world.slots()


async def test_a_cancel_leaves_no_summary() -> None:
    world = World()
    block = Block()
    world.script("Summarizer", [TextDelta("{"), block])
    running = asyncio.create_task(run(world, only_summary()))
    await block.reached.wait()
    world.control.cancel()
    result = await running
    assert (result.status, result.stop_reason, result.summary) == ("cancelled", "cancelled", None)
    assert [outcome.status for outcome in world.outcomes] == ["cancelled"]


async def test_a_summary_that_was_whole_before_the_cancel_is_kept() -> None:
    world = World(cancel_after=2)
    world.script("Summarizer", minutes())
    world.script("Ada", [Block()])
    world.script("Bob", answer("B"))
    async with asyncio.timeout(5):
        result = await run(world, summing())
    assert result.status == "cancelled"
    assert result.summary is not None


async def test_nothing_to_summarize_is_no_cancel() -> None:
    result = await run(World(), replace(only_summary(), history=()))
    assert (result.status, result.summary) == ("completed", None)


async def test_a_turn_that_died_too_often_makes_no_summary() -> None:
    world = World(control=Control(exhausted=True))
    result = await run(world, only_summary())
    assert (result.status, result.error, result.summary) == ("failed", EXHAUSTED, None)
    world = World(
        control=Control(exhausted=True),
        pasts={"reply:1:ada": PastCall("step", 1, "ok", "A", None, True)},
    )
    result = await run(world, summing())
    assert (result.status, result.summary) == ("partial", None)


async def test_a_summary_resumed_at_any_point_comes_to_the_same() -> None:
    def respond(request: ModelRequest) -> list[ModelEvent]:
        if request.purpose != "summarize":
            return answer(request.speaker_name)
        return answer("no JSON") if not world.told("Summarizer", "summarize")[1:] and fresh else minutes()

    fresh = True
    world = whole = World(respond=respond)
    expected = await run(whole, summing(first=True))
    assert whole.slots()[:2] == ["summarize:1", "summarize:2"]
    for writes in range(len(whole.journal) + 1):
        world = World(respond=respond, pasts=whole.after_a_crash(writes))
        fresh = "summarize:1" not in {slot for slot, past in world.pasts.items() if past.status == "ok"}
        result = await run(world, summing(first=True))
        assert result.summary == expected.summary
        finished = {slot for slot, past in world.pasts.items() if past.status != "interrupted"}
        assert sorted(world.slots()) == sorted(set(whole.slots()) - finished)


# --- Reading what comes back ------------------------------------------------------------------------------------------


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


# --- The fallback -----------------------------------------------------------------------------------------------------


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


# --- Whatever a summarizer says ---------------------------------------------------------------------------------------

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


def test_the_whole_context_counts_the_summary() -> None:
    spec = turn_spec("ada", history=HISTORY)
    assert full_input(replace(spec, summary=EARLIER), spec.roster[0]) > full_input(spec, spec.roster[0])
