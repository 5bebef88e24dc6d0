import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.engine.control import Control
from orchestration.engine.ports import ModelEvent, TextDelta
from orchestration.engine.result import TurnResult
from orchestration.engine.specs import ModelRequest, TurnSpec
from orchestration.engine.steps import EXHAUSTED, RetryPolicy
from orchestration.engine.turn import run_turn
from orchestration.tests.engine.support.world import (
    RELAXED,
    Block,
    World,
    answer,
    refused,
    turn_spec,
    unavailable,
)

RETRY = RetryPolicy(retries=0)
KEYS = ("ana", "bob", "cy")


def table(*keys: str) -> TurnSpec:
    return turn_spec(*(keys or KEYS), mode="roundtable")


async def run(world: World, spec: TurnSpec) -> TurnResult:
    result = await run_turn(spec, world.ports, world.control, RETRY)
    world.check_books()
    return result


async def test_everybody_answers_in_turn_with_earlier_answers_as_context() -> None:
    world = World()
    world.script("Ana", answer("Three."))
    world.script("Bob", answer("Four."))
    world.script("Cy", answer("Five."))
    result = await run(world, table())
    assert (result.status, result.stop_reason, result.error) == ("completed", None, None)
    assert [a.text for a in result.answers] == ["Three.", "Four.", "Five."]
    (ana,), (bob,), (cy,) = world.told("Ana"), world.told("Bob"), world.told("Cy")
    assert "Hello" in ana
    assert "Four." not in ana
    assert "[Ana (@ana)]: Three." in bob
    assert "Five." not in bob
    assert "[Ana (@ana)]: Three.\n\n[Bob (@bob)]: Four." in cy


async def test_one_after_the_other() -> None:
    world = World()
    block = Block()
    world.script("Ana", [block, *answer("A")])
    world.script("Bob", answer("B"))
    running = asyncio.create_task(run(world, table("ana", "bob")))
    await block.reached.wait()
    assert world.slots() == ["reply:1:ana"]
    block.release.set()
    await running
    assert world.slots() == ["reply:1:ana", "reply:1:bob"]


async def test_who_is_addressed_first_speaks_first() -> None:
    world = World(respond=lambda request: answer(request.speaker_name))
    result = await run(world, replace(table(), addressed=("cy", "ana", "bob")))
    assert [a.text for a in result.answers] == ["Cy", "Ana", "Bob"]
    assert "[Cy (@cy)]: Cy" in world.told("Ana")[0]


@pytest.mark.parametrize(
    "failure",
    [refused(), unavailable(), [TextDelta("Half an ans"), *refused()], answer(" ")],
)
async def test_one_that_fails_is_reported_and_passed_over(failure: Sequence[ModelEvent]) -> None:
    world = World()
    world.script("Ana", answer("A"))
    world.script("Bob", failure)
    world.script("Cy", answer("C"))
    result = await run(world, table())
    assert (result.status, result.stop_reason) == ("partial", None)
    assert [a.status for a in result.answers] == ["complete", "failed", "complete"]
    assert result.error == result.answers[1].error
    (told,) = world.told("Cy")
    assert "[Ana (@ana)]: A" in told
    assert "[Bob" not in told
    assert "Half" not in told


async def test_nobody_answers() -> None:
    world = World(respond=lambda request: refused())
    result = await run(world, table())
    assert (result.status, result.stop_reason) == ("failed", "failed")
    assert len(world.intents) == 3


async def test_a_cancel_stops_the_round() -> None:
    world = World()
    block = Block()
    world.script("Ana", answer("A"))
    world.script("Bob", [TextDelta("Well"), block])
    running = asyncio.create_task(run(world, table()))
    await block.reached.wait()
    world.control.cancel()
    result = await running
    assert (result.status, result.stop_reason) == ("cancelled", "cancelled")
    assert [(a.text, a.status) for a in result.answers] == [("A", "complete"), ("Well", "cancelled")]
    assert world.told("Cy") == []


async def test_an_agent_that_answers_for_the_next_is_cut_and_the_next_speaks_for_itself() -> None:
    world = World()
    world.script("Ana", answer("A.\n\n[Bob (@bob)]: I agree.\n[Cy (@cy)]: Me too."))
    world.script("Bob", answer("I do not."))
    world.script("Cy", answer("C"))
    result = await run(world, table())
    assert result.status == "completed"
    assert [a.text for a in result.answers] == ["A.\n\n", "I do not.", "C"]
    assert "I agree" not in world.told("Cy")[0]


async def test_a_round_resumed_at_any_point_asks_only_who_is_missing() -> None:
    def respond(request: ModelRequest) -> Sequence[ModelEvent]:
        heard = sum(message.text.count("]: I ") for message in request.messages)
        return refused() if request.speaker_name == "Bob" else answer(f"I heard {heard}.")

    whole = World(respond=respond)
    expected = await run(whole, table())
    for writes in range(len(whole.journal) + 1):
        world = World(respond=respond, pasts=whole.after_a_crash(writes))
        result = await run(world, table())
        assert [(a.text, a.status) for a in result.answers] == [(a.text, a.status) for a in expected.answers]
        finished = {slot for slot, past in world.pasts.items() if past.status != "interrupted"}
        assert world.slots() == [slot for slot in whole.slots() if slot not in finished]


async def test_a_round_that_died_too_often_ends_with_what_there_is() -> None:
    whole = World(respond=lambda request: answer(request.speaker_name))
    await run(whole, table())
    world = World(pasts=whole.after_a_crash(3), control=Control(exhausted=True))
    result = await run(world, table())
    assert (result.status, result.error) == ("partial", EXHAUSTED)
    assert [a.text for a in result.answers] == ["Ana", "", ""]


REPLIES = st.sampled_from([answer("Fine."), answer(""), answer("Cy: Mine."), refused(), unavailable()])


@RELAXED
@given(data=st.data(), mode=st.sampled_from(["roundtable", "manual"]), keys=st.permutations(KEYS))
async def test_whatever_is_answered_everybody_has_one_say(
    data: st.DataObject, mode: str, keys: Sequence[str]
) -> None:
    world = World(respond=lambda request: data.draw(REPLIES))
    result = await run(world, turn_spec(*keys, mode=mode))
    assert [a.agent.key for a in result.answers if a.agent] == list(keys)
    assert sorted(world.slots()) == sorted(f"reply:1:{key}" for key in keys)
    good = [a for a in result.answers if a.status == "complete"]
    assert result.status == ("completed" if len(good) == 3 else "partial" if good else "failed")
    assert (result.error is None) == (result.status == "completed")
