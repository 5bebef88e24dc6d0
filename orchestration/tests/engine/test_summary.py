"""Summaries made in parallel with a turn or before it."""

import asyncio
import json
import logging
from dataclasses import replace

import pytest

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
)
from orchestration.engine.steps import EXHAUSTED
from orchestration.tests.engine.support.summing import EARLIER, HISTORY, only_summary, run, summing
from orchestration.tests.engine.support.world import (
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


def minutes(text: str = "They talked about a boat.", **lists: object) -> list[ModelEvent]:
    return answer(json.dumps({"summary_text": text, **lists}))


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


async def test_before_the_answers_if_they_would_not_fit_otherwise() -> None:
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


async def test_the_summarizer_gets_speakers_and_the_earlier_summary() -> None:
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
    assert request.max_output_tokens == 2_048  # the model's own limit, below the setting
    assert [message.role for message in request.messages] == ["user"]


async def test_only_planned_messages_are_summarized() -> None:
    world = World(respond=lambda request: answer(request.speaker_name))
    world.script("Summarizer", minutes())
    await run(world, summing(through=3))
    (told,) = world.told("Summarizer", "summarize")
    assert "#3 Bob" in told
    assert "#4" not in told
    assert "Hello" not in told


async def test_every_message_is_summarized_however_small_the_window() -> None:
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


async def test_a_short_message_is_kept_whole_beside_long_ones() -> None:
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
async def test_after_two_unusable_answers_the_text_is_the_summary(
    broken: str, caplog: pytest.LogCaptureFixture
) -> None:
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


async def test_nothing_to_summarize_is_not_a_cancel() -> None:
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


async def test_a_summary_resumed_at_any_point_has_the_same_result() -> None:
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


def test_the_whole_context_counts_the_summary() -> None:
    spec = turn_spec("ada", history=HISTORY)
    assert full_input(replace(spec, summary=EARLIER), spec.roster[0]) > full_input(spec, spec.roster[0])
