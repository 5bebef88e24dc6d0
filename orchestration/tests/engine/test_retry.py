"""Turns that keep answers of the turn they replace."""

from dataclasses import replace

import pytest

from orchestration.engine.events import StepStarted
from orchestration.engine.result import TurnResult
from orchestration.engine.specs import CarriedAnswer, Limits, TurnSpec
from orchestration.engine.steps import RetryPolicy
from orchestration.engine.turn import run_turn
from orchestration.tests.engine.support.world import (
    Block,
    World,
    answer,
    ask,
    council_spec,
    done,
    refused,
    turn_spec,
)

RETRY = RetryPolicy(retries=0)
KEYS = ("ana", "bob", "cy")


def kept(key: str, text: str, *, round_number: int = 1) -> CarriedAnswer:
    return CarriedAnswer(f"message-{key}-{round_number}", key, text, round_number, "old-model")


async def run(world: World, spec: TurnSpec) -> TurnResult:
    result = await run_turn(spec, world.ports, world.control, RETRY)
    world.check_books()
    return result


def texts(result: TurnResult) -> list[str]:
    return [answer.text for answer in result.answers]


@pytest.mark.parametrize("mode", ["manual", "roundtable"])
@pytest.mark.parametrize("addressed", [KEYS, ("bob",)])
async def test_only_who_failed_is_asked_and_the_order_stays(mode: str, addressed: tuple[str, ...]) -> None:
    world = World()
    world.script("Bob", answer("B"))
    carried = (kept("cy", "C before"), kept("ana", "A before"))
    spec = replace(turn_spec(*KEYS, mode=mode), addressed=addressed, carried=carried)
    result = await run(world, spec)
    assert (result.status, texts(result)) == ("completed", ["A before", "B", "C before"])
    assert world.slots() == ["reply:1:bob"]
    first, _, last = result.answers
    assert (first.step_id, first.model, first.status) == ("message-ana-1", "old-model", "complete")
    assert last.agent == spec.agent("cy")
    assert [event.agent_key for event in world.events if isinstance(event, StepStarted)] == ["bob"]


async def test_in_a_roundtable_a_retried_agent_gets_only_the_answers_before_it() -> None:
    world = World()
    world.script("Bob", answer("B"))
    carried = (kept("ana", "A before"), kept("cy", "C before"))
    await run(world, replace(turn_spec(*KEYS, mode="roundtable"), carried=carried))
    (told,) = world.told("Bob")
    assert "[Ana (@ana)]: A before" in told
    assert "C before" not in told


async def test_in_a_fan_out_it_gets_no_other_answer() -> None:
    world = World()
    world.script("Bob", answer("B"))
    await run(world, replace(turn_spec(*KEYS), carried=(kept("ana", "A before"), kept("cy", "C before"))))
    assert "before" not in world.told("Bob")[0]


async def test_a_tagged_agent_keeps_its_place_at_the_head_of_the_table() -> None:
    world = World()
    world.script("Ana", answer("A"))
    carried = (kept("bob", "B before"), kept("cy", "C before"))
    spec = replace(turn_spec(*KEYS, mode="roundtable"), addressed=("cy", "ana", "bob"), carried=carried)
    assert texts(await run(world, spec)) == ["C before", "A", "B before"]


@pytest.mark.parametrize("mode", ["manual", "roundtable"])
async def test_a_cancel_keeps_what_was_carried_over(mode: str) -> None:
    world = World()
    world.control.cancel()
    carried = (kept("ana", "A before"), kept("cy", "C before"))
    result = await run(world, replace(turn_spec(*KEYS, mode=mode), carried=carried))
    assert (result.status, texts(result)) == ("cancelled", ["A before", "", "C before"])


async def test_with_everything_carried_over_nobody_is_asked() -> None:
    world = World()
    spec = replace(turn_spec("ana"), carried=(kept("ana", "A before"),))
    result = await run(world, spec)
    assert (result.status, texts(result), world.intents) == ("completed", ["A before"], [])


async def test_answers_of_agents_that_left_are_dropped() -> None:
    world = World()
    world.script("Ana", answer("A"))
    result = await run(world, replace(turn_spec("ana"), carried=(kept("gone", "G before"),)))
    assert texts(result) == ["A"]


# --- Orchestrator -----------------------------------------------------------------------------------------------------


async def test_the_failed_specialist_is_asked_without_routing_before_a_new_synthesis() -> None:
    world = World()
    world.script("Bob", answer("B"))
    world.script("Manager", answer("So."))
    spec = council_spec(*KEYS, addressed=["bob"], carried=(kept("cy", "C before"), kept("ana", "A before")))
    result = await run(world, spec)
    assert (result.status, result.stop_reason) == ("completed", "max_rounds")
    assert texts(result) == ["A before", "C before", "B", "So."]
    assert world.slots() == ["reply:1:bob", "synthesize:1"]
    (told,) = world.told("Manager", "synthesize")
    assert all(said in told for said in ("A before", "C before", "[Bob (@bob)]: B"))
    assert "before" not in world.told("Bob")[0]


async def test_with_only_the_synthesis_failed_only_the_synthesis_is_made() -> None:
    world = World()
    world.script("Manager", answer("So."))
    spec = council_spec(
        *KEYS, carried=(kept("ana", "A before"), kept("bob", "B before")), limits=Limits(max_rounds=3)
    )
    result = await run(world, spec)
    assert (result.status, result.stop_reason) == ("completed", "manager_done")
    assert texts(result) == ["A before", "B before", "So."]
    assert world.slots() == ["synthesize:1"]


async def test_a_synthesis_that_fails_again_counts_again() -> None:
    world = World()
    world.script("Manager", refused())
    spec = council_spec(*KEYS, carried=(kept("ana", "A before"), kept("bob", "B before")))
    result = await run(world, spec)
    assert (result.status, texts(result)) == ("partial", ["A before", "B before", ""])


async def test_who_is_carried_over_is_not_asked_though_addressed() -> None:
    world = World()
    world.script("Bob", answer("B"))
    world.script("Manager", answer("So."))
    spec = council_spec(*KEYS, addressed=["ana", "bob"], carried=(kept("ana", "A before"),))
    result = await run(world, spec)
    assert texts(result) == ["A before", "B", "So."]
    assert [s.agent_key for s in result.routing[0][1].selections] == ["bob"]


async def test_all_answers_of_an_agent_are_kept_by_round() -> None:
    world = World()
    world.script("Bob", answer("B"))
    world.script("Manager", answer("So."))
    carried = (kept("ana", "A 2", round_number=2), kept("cy", "C 1"), kept("ana", "A 1"))
    result = await run(world, council_spec(*KEYS, addressed=["bob"], carried=carried))
    assert texts(result) == ["A 1", "C 1", "A 2", "B", "So."]
    assert [a.round for a in result.answers] == [1, 1, 2, 1, 1]
    assert len({a.step_id for a in result.answers}) == 5


async def test_one_answer_in_all_needs_no_synthesis() -> None:
    world = World()
    world.script("Bob", refused())
    spec = council_spec(*KEYS, addressed=["bob"], carried=(kept("ana", "A before"),))
    result = await run(world, spec)
    assert (result.status, texts(result)) == ("partial", ["A before", ""])


async def test_the_manager_may_continue_from_carried_answers() -> None:
    world = World()
    world.script("Bob", answer("B"))
    world.script("Ana", answer("A again"))
    world.script("Manager", ask(ana="Again."), done(), answer("So."))
    spec = council_spec(
        *KEYS, addressed=["bob"], carried=(kept("ana", "A before"),), limits=Limits(max_rounds=3)
    )
    result = await run(world, spec)
    assert texts(result) == ["A before", "B", "A again", "So."]
    assert world.slots() == ["reply:1:bob", "evaluate:2", "reply:2:ana", "evaluate:3", "synthesize:3"]
    assert all(said in world.told("Ana")[0] for said in ("A before", "[Bob (@bob)]: B", "Again."))


async def test_a_retry_that_dies_is_resumed() -> None:
    spec = council_spec(*KEYS, addressed=["bob"], carried=(kept("ana", "A before"),))

    def scripted(world: World) -> World:
        world.script("Bob", answer("B"))
        world.script("Manager", answer("So."))
        return world

    whole = scripted(World())
    expected = await run(whole, spec)
    for writes in range(len(whole.journal) + 1):
        world = World(pasts=whole.after_a_crash(writes))
        result = await run(scripted(world), spec)
        assert texts(result) == texts(expected)
        assert len(world.intents) == 2 - sum(past.status == "ok" for past in world.pasts.values())


async def test_a_cancelled_retry_keeps_what_it_had() -> None:
    world = World()
    block = Block()
    world.script("Bob", [block])
    world.control.cancel()
    spec = council_spec(*KEYS, addressed=["bob"], carried=(kept("ana", "A before"),))
    result = await run(world, spec)
    assert (result.status, result.stop_reason, texts(result)) == ("cancelled", "cancelled", ["A before", ""])
