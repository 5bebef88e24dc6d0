"""Councils that are cancelled, resumed or given up, and invariants of every council."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.engine.control import Control
from orchestration.engine.events import RoutingDecided, StepStarted
from orchestration.engine.ports import Completed, ModelEvent, PastCall, TextDelta
from orchestration.engine.result import TurnResult
from orchestration.engine.specs import Limits, ModelRequest
from orchestration.engine.steps import EXHAUSTED, RetryPolicy
from orchestration.engine.turn import run_turn
from orchestration.tests.engine.support.council import DEEP, KEYS, run, texts
from orchestration.tests.engine.support.world import (
    RELAXED,
    USAGE,
    Block,
    World,
    answer,
    ask,
    council_spec,
    done,
    refused,
    unavailable,
)
from orchestration.tests.engine.test_routing import MANAGER_ANSWERS


@pytest.mark.parametrize("stage", ["route", "reply", "evaluate", "synthesize"])
async def test_a_cancel_at_any_stage_keeps_the_text(stage: str) -> None:
    world = World()
    block = Block()
    script = {
        "route": ask(ana="1", bob="2"),
        "evaluate": done(),
        "synthesize": answer("So."),
    }
    for purpose, events in script.items():
        world.script("Manager", [TextDelta("Well"), block] if purpose == stage else events)
        if purpose == stage:
            break
    world.script("Ana", answer("A"))
    world.script("Bob", [TextDelta("Well"), block] if stage == "reply" else answer("B"))
    running = asyncio.create_task(run(world, council_spec(*KEYS, limits=DEEP)))
    async with asyncio.timeout(5):
        await block.reached.wait()
        await asyncio.sleep(0.01)
        world.control.cancel()
        world.control.cancel()
        result = await running
    assert (result.status, result.stop_reason, result.error) == ("cancelled", "cancelled", None)
    expected = {
        "route": [],
        "reply": ["A", "Well"],
        "evaluate": ["A", "B"],
        "synthesize": ["A", "B", "Well"],
    }
    assert texts(result) == expected[stage]
    assert world.requests[-1].purpose == stage
    assert world.closed == len(world.requests)


async def test_after_a_cancel_no_further_step_begins() -> None:
    world = World(cancel_after=2)
    world.script("Manager", ask(ana="1", bob="2"))
    world.script("Ana", answer("A"))
    world.script("Bob", [TextDelta("Well"), Block()])
    result = await run(world, council_spec(*KEYS))
    assert (result.status, texts(result)) == ("cancelled", ["A", "Well"])
    started = [event.purpose for event in world.events if isinstance(event, StepStarted)]
    assert started == ["reply", "reply"]


async def test_a_cancel_between_the_journal_and_the_call_costs_nothing() -> None:
    world = World()

    async def start_and_cancel(intent: object) -> None:
        world.journal.append(intent)  # type: ignore[arg-type]
        world.control.cancel()

    world.start = start_and_cancel  # type: ignore[method-assign]
    result = await run(world, council_spec(*KEYS))
    assert result.status == "cancelled"
    assert world.requests == []
    assert [outcome.report.source for outcome in world.outcomes] == ["none"]


def deep_council(request: ModelRequest) -> list[ModelEvent]:
    """A council of three rounds in which an agent is asked twice, one fails, and one asks for too much."""
    spoken = sum(message.text.count("]: I, ") for message in request.messages)
    match request.purpose:
        case "route":
            return ask(ana="Count.", bob="Weigh.", cy="Look.")
        case "evaluate":
            return ask(ana="Again.", bob="Weigh.") if spoken < 3 else answer("no JSON")
        case "synthesize":
            return answer(f"So say {spoken}.")
    return refused() if request.speaker_name == "Cy" else answer(f"I, {request.speaker_name}, {spoken}.")


async def test_a_turn_resumed_at_any_point_has_the_same_result_without_repeated_calls() -> None:
    spec = council_spec(*KEYS, limits=DEEP)
    whole = World(respond=deep_council)
    expected = await run(whole, spec)
    assert whole.slots() == [
        "route:1",
        "reply:1:ana",
        "reply:1:bob",
        "reply:1:cy",
        "evaluate:2",
        "reply:2:ana",
        "evaluate:3",
        "evaluate:3:2",
        "synthesize:3",
    ]
    for writes in range(len(whole.journal) + 1):
        world = World(respond=deep_council, pasts=whole.after_a_crash(writes))
        result = await run(world, spec)
        assert (result.status, result.stop_reason, result.error) == (
            expected.status,
            expected.stop_reason,
            expected.error,
        )
        assert result.routing == expected.routing
        assert [(a.text, a.status, a.round) for a in result.answers] == [
            (a.text, a.status, a.round) for a in expected.answers
        ]
        finished = {slot for slot, past in world.pasts.items() if past.status != "interrupted"}
        assert sorted(world.slots()) == sorted(set(whole.slots()) - finished)
        for a in result.answers:
            past = next((past for past in world.pasts.values() if past.step_id == a.step_id), None)
            assert past is None or past.status != "interrupted"


async def test_a_turn_that_died_too_often_ends_with_what_there_is() -> None:
    spec = council_spec(*KEYS, limits=DEEP)
    whole = World(respond=deep_council)
    await run(whole, spec)
    for writes in range(len(whole.journal)):
        world = World(pasts=whole.after_a_crash(writes), control=Control(exhausted=True))
        result = await run(world, spec)
        answered = [a for a in result.answers if a.status == "complete"]
        past = [
            past
            for slot, past in world.pasts.items()
            if past.status == "ok" and slot.split(":")[0] == "reply"
        ]
        assert len(answered) == len(past)
        assert result.status == ("partial" if answered else "failed")
        assert EXHAUSTED in [a.error for a in result.answers]
        assert world.intents == []


async def test_a_turn_that_was_never_routed_is_given_up_without_a_decision() -> None:
    world = World(control=Control(exhausted=True))
    result = await run(world, council_spec(*KEYS))
    assert (result.status, result.stop_reason, result.error) == ("failed", "failed", EXHAUSTED)
    assert (result.routing, world.events) == ((), [])


async def test_an_interrupted_cancel_stays_cancelled() -> None:
    world = World(pasts={"route:1": PastCall("step", 1, "cancelled", "", None, True)})
    result = await run(world, council_spec(*KEYS))
    assert result.status == "cancelled"


REPLIES: st.SearchStrategy[list[ModelEvent]] = st.sampled_from(
    [
        answer("Fine."),
        answer(""),
        answer("Bob: His."),
        answer("Ana: Hers."),
        answer("Mine.\n\nManager: Ours."),
        refused(),
        unavailable(),
        unavailable(retry_after_s=1.0, may_have_cost=True),
        [TextDelta("Half"), *unavailable()],
        [TextDelta("x" * 5_000), Completed(USAGE, "length")],
    ]
)


MANAGER: st.SearchStrategy[list[ModelEvent]] = st.one_of(
    MANAGER_ANSWERS.map(lambda text: answer(text)),
    REPLIES,
    st.sampled_from([done(), ask(ana="1", bob="2"), ask(cy="")]),
)


LIMITS = st.builds(
    Limits, max_rounds=st.integers(1, 3), max_selections=st.integers(1, 3), always_synthesize=st.booleans()
)


@settings(RELAXED, max_examples=200)
@given(data=st.data(), limits=LIMITS, tagged=st.lists(st.sampled_from(KEYS), unique=True, max_size=4))
async def test_whatever_is_answered_the_turn_ends_within_the_guards(
    data: st.DataObject, limits: Limits, tagged: list[str]
) -> None:
    def respond(request: ModelRequest) -> list[ModelEvent]:
        return data.draw(MANAGER if request.speaker_name == "Manager" else REPLIES)

    world = World(respond=respond, cancel_after=data.draw(st.none() | st.integers(1, 12)))
    spec = council_spec(*KEYS, addressed=tagged, limits=limits)
    async with asyncio.timeout(20):
        result = await run_turn(spec, world.ports, world.control, RetryPolicy(retries=1))
    world.check_books()
    check_guards(world, result, limits, tagged)


def check_guards(world: World, result: TurnResult, limits: Limits, tagged: list[str]) -> None:
    answered = [a for a in result.answers if a.status == "complete"]
    failed = [a for a in result.answers if a.status == "failed"]
    assert result.status in ("completed", "partial", "failed", "cancelled")
    if result.status == "completed":
        assert answered
        assert not failed
    if result.status == "partial":
        assert answered
        assert result.error == failed[0].error
    if result.status == "failed":
        assert result.error is not None
        assert result.error.message
        assert result.stop_reason == "failed"
    else:
        assert result.stop_reason in ("manager_done", "max_rounds", "max_calls", "repeat", "cancelled")
    assert (result.status == "cancelled") == (result.stop_reason == "cancelled")
    steps = {intent.slot for intent in world.intents}
    assert len({intent.step_id for intent in world.intents}) == len(steps)
    assert len([slot for slot in steps if slot.startswith("reply:")]) <= limits.max_specialist_calls
    assert all(intent.round <= limits.max_rounds for intent in world.intents)
    assert len(result.routing) <= limits.max_rounds
    told = [(event.round, event.decision) for event in world.events if isinstance(event, RoutingDecided)]
    assert told == list(result.routing)
    for number, decision in result.routing:
        assert len(decision.selections) <= (len(tagged) if number == 1 and tagged else limits.max_selections)
        json.dumps(decision.as_dict(), ensure_ascii=False).encode()
    for a in answered:
        assert a.text.strip()
