"""Titles: a call in parallel with the answers that costs no answer, and what is made of the model's text."""

import asyncio
from dataclasses import replace

import pytest

from orchestration.engine.forecast import as_usual, at_most, expected_calls, first_call
from orchestration.engine.ports import Ports
from orchestration.engine.result import TurnResult
from orchestration.engine.specs import ModelRequest, TurnSpec
from orchestration.engine.steps import RetryPolicy
from orchestration.engine.tags import without_tags
from orchestration.engine.title import LATE_S, MAX_TITLE_CHARS, title_in
from orchestration.engine.turn import run_turn
from orchestration.tests.engine.support.world import (
    Block,
    World,
    answer,
    model_spec,
    refused,
    turn_spec,
    unavailable,
)


def titled(*keys: str, mode: str = "manual") -> TurnSpec:
    spec = turn_spec(*(keys or ("ada",)), mode=mode, message="@all Shall we buy the boat?")
    return replace(spec, draft_title="Shall we buy the boat?", summarizer=model_spec("scribe"))


async def run(world: World, spec: TurnSpec, ports: Ports | None = None) -> TurnResult:
    result = await run_turn(spec, ports or world.ports, world.control, RetryPolicy(retries=2))
    world.check_books()
    return result


async def test_a_title_is_written_side_by_side_with_the_answers() -> None:
    world, ada, scribe = World(), Block(), Block()
    world.script("Ada", [ada, *answer("Yes.")])
    world.script("Title", [scribe, *answer("Buying ", "the boat")])
    running = asyncio.create_task(run(world, titled()))
    async with asyncio.timeout(5):
        await ada.reached.wait()
        await scribe.reached.wait()
    scribe.release.set()
    ada.release.set()
    result = await running
    assert (result.status, result.title) == ("completed", "Buying the boat")
    assert [each.text for each in result.answers] == ["Yes."]
    assert world.slots() == ["reply:1:ada", "title:1"]
    assert "Shall we buy the boat?" in world.told("Title", "title")[0]
    assert "@all" not in world.told("Title", "title")[0]


@pytest.mark.parametrize("broken", [refused(), unavailable()])
async def test_a_title_that_fails_is_not_tried_again_and_harms_nothing(broken) -> None:
    world = World()
    world.script("Ada", answer("Yes."))
    world.script("Title", broken)
    result = await run(world, titled())
    assert (result.status, result.title, result.error) == ("completed", "", None)
    assert world.slots() == ["reply:1:ada", "title:1"]


def test_a_title_keeps_a_session_busy_for_less_than_a_second() -> None:
    assert LATE_S < 1


async def test_a_title_much_later_than_the_answers_is_given_up() -> None:
    world = World()
    world.script("Ada", answer("Yes."))
    world.script("Title", [Block(), *answer("Late")])
    result = await run(world, titled())
    assert (result.status, result.title) == ("completed", "")
    assert world.outcomes[-1].status == "cancelled"


async def test_stopping_the_turn_stops_its_title() -> None:
    world, ada, scribe = World(), Block(), Block()
    world.script("Ada", [ada])
    world.script("Title", [scribe])
    running = asyncio.create_task(run(world, titled()))
    async with asyncio.timeout(5):
        await ada.reached.wait()
        await scribe.reached.wait()
        world.control.cancel()
        result = await running
    assert (result.status, result.title) == ("cancelled", "")
    assert [outcome.status for outcome in world.outcomes] == ["cancelled", "cancelled"]


class Short:
    """Funds that pay for calls, but not for every call of the turn."""

    def covers(self, spec: TurnSpec) -> bool:
        return False

    def reserve(self, call_id: str, request: ModelRequest, *, input_bound: int) -> bool:
        return True


async def test_without_money_for_every_call_there_is_no_title() -> None:
    world = World()
    world.script("Ada", answer("Yes."))
    result = await run(world, titled(), replace(world.ports, funds=Short()))
    assert (result.status, result.title) == ("completed", "")
    assert world.slots() == ["reply:1:ada"]


@pytest.mark.parametrize("writes", range(5))
async def test_after_a_crash_a_finished_title_is_not_asked_for_again(writes) -> None:
    world = World()
    world.script("Ada", answer("Yes."))
    world.script("Title", answer("The boat"))
    await run(world, titled())
    again = World(pasts=world.after_a_crash(writes))
    again.script("Ada", answer("Yes."))
    again.script("Title", answer("The boat"))
    result = await run(again, titled(), replace(again.ports, funds=Short()) if writes == 4 else None)
    assert (result.status, result.title) == ("completed", "The boat")
    finished = {intent.slot for intent in world.intents} - {intent.slot for intent in again.intents}
    assert finished == {slot for slot, past in again.pasts.items() if past.status == "ok"}


def test_the_title_is_the_last_call_of_a_forecast_and_a_short_one() -> None:
    spec = titled("ada", "bob")
    calls = expected_calls(spec, at_most(spec))
    assert [call.options[0].purpose for call in calls] == ["reply", "reply", "title"]
    assert first_call(calls) == calls[0].options[0]
    usual = expected_calls(spec, as_usual(spec, output_tokens=500))
    assert usual[-1].options[0].output_tokens < 50


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Buying the boat", "Buying the boat"),
        ('"Buying the boat."', "Buying the boat"),
        ("# **Buying** the `boat`\n\nMore text", "Buying the boat"),
        ("Title: _Buying_ the [boat](http://evil.example)", "Buying the boat"),
        ("<think>Is it a boat?\nYes.</think>\n\nThe boat", "The boat"),
        ("They ask about a boat.</think>The boat", "The boat"),
        ("\n\n---\n> The boat", "The boat"),
        ("1. The boat\n2. The ship", "The boat"),
        ("<b>The</b> <script>boat</script>", "The boat"),
        ("![The boat](data:image/png;base64,AAAA)", "The boat"),
        ("The\u202e boat\u200b\x00\x1b[31m", "The boat[31m"),
        ('{"title": "The boat"}', "The boat"),
        ("「船を買う」。", "船を買う"),
        ("買船。", "買船"),
        ("snake_case and __init__", "snake_case and init"),
        ("What about … ...", "What about … ..."),
        ("", ""),
        ("```\n```", ""),
        ("***\n---\n", ""),
    ],
)
def test_a_title_is_one_line_of_plain_text(text, expected) -> None:
    assert title_in(text) == expected


@pytest.mark.parametrize("text", ["word " * 5_000, "x" * 100_000, "[" * 50_000, "<a" * 50_000, "_" * 50_000])
def test_a_title_is_bounded(text) -> None:
    assert len(title_in(text)) <= MAX_TITLE_CHARS


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("@all Should we rent the corner shop?", "Should we rent the corner shop?"),
        ("@ada, @bob: hello", "hello"),
        ("@ada and @bob: hello", "hello"),
        ("@ada你好", "你好"),
        ("＠all 你好", "你好"),
        ("What do you think, @ada?", "What do you think?"),
        ("What do @ada and @bob think?", "What do ada and bob think?"),
        ("Write to ada@example.org about `@ada`", "Write to ada@example.org about `@ada`"),
        ("@nobody hello", "@nobody hello"),
        ("@all", ""),
        ("@ada @bob", ""),
        ("No tags, at all.", "No tags, at all."),
    ],
)
def test_a_message_without_its_tags(message, expected) -> None:
    assert without_tags(message, ["ada", "bob"]) == expected
