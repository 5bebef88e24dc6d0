"""A council led by its manager: routing, rounds, synthesis."""

import asyncio
from dataclasses import replace

from orchestration.engine.events import RoutingDecided, StepCompleted, StepDelta, StepStarted
from orchestration.engine.purposes import Purpose
from orchestration.engine.specs import Limits
from orchestration.tests.engine.support.council import DEEP, KEYS, decisions, run, texts
from orchestration.tests.engine.support.world import (
    Block,
    World,
    answer,
    ask,
    council_spec,
    done,
    refused,
)


async def test_the_manager_routes_specialists_answer_and_the_manager_synthesizes() -> None:
    world = World()
    world.script("Manager", ask(ana="Count it.", cy="Weigh it."), answer("To", "gether."))
    world.script("Ana", answer("Three."))
    world.script("Cy", answer("Heavy."))
    result = await run(world, council_spec(*KEYS))
    assert (result.status, result.stop_reason, result.error) == ("completed", "max_rounds", None)
    assert texts(result) == ["Three.", "Heavy.", "Together."]
    assert [(a.purpose, a.agent.key if a.agent else None, a.round) for a in result.answers] == [
        ("reply", "ana", 1),
        ("reply", "cy", 1),
        ("synthesize", None, 1),
    ]
    assert decisions(result) == [(1, "route", ["ana", "cy"], False)]
    assert world.slots() == ["route:1", "reply:1:ana", "reply:1:cy", "synthesize:1"]


async def test_routing_is_published_when_decided_and_silent_while_it_is_written() -> None:
    world = World()
    world.script("Manager", ask(ana="Count.", bob="Weigh."), answer("To", "gether."))
    world.script("Ana", answer("Three."))
    world.script("Bob", answer("Heavy."))
    result = await run(world, council_spec(*KEYS))
    assert isinstance(world.events[0], RoutingDecided)
    assert (world.events[0].round, world.events[0].decision) == result.routing[0]
    started = [event for event in world.events if isinstance(event, StepStarted)]
    assert [(event.purpose, event.agent_key) for event in started] == [
        ("reply", "ana"),
        ("reply", "bob"),
        ("synthesize", None),
    ]
    last = world.events[-4:]
    assert [type(event) for event in last] == [StepStarted, StepDelta, StepDelta, StepCompleted]


async def test_specialists_of_a_round_answer_in_parallel() -> None:
    world = World()
    blocks = {name: Block() for name in ("Ana", "Bob", "Cy")}
    world.script("Manager", ask(ana="1", bob="2", cy="3"), answer("All."))
    for name, block in blocks.items():
        world.script(name, [block, *answer(name)])
    running = asyncio.create_task(run(world, council_spec(*KEYS)))
    async with asyncio.timeout(5):
        for block in blocks.values():
            await block.reached.wait()
    for block in reversed(blocks.values()):
        block.release.set()
    assert texts(await running) == ["Ana", "Bob", "Cy", "All."]


async def test_a_specialist_gets_its_instruction_and_earlier_rounds() -> None:
    world = World()
    world.script(
        "Manager", ask(ana="Count it.", bob="Weigh it."), ask(ana="Count again."), done(), answer("So.")
    )
    world.script("Ana", answer("Three."), answer("Four."))
    world.script("Bob", answer("Heavy."))
    result = await run(world, council_spec(*KEYS, limits=DEEP))
    first, second = world.told("Ana")
    (bob,) = world.told("Bob")
    assert "Count it." in first
    assert "Weigh it." not in first
    assert "Weigh it." in bob
    assert "Three." not in bob
    assert "Heavy." not in first
    assert "[Bob (@bob)]: Heavy." in second
    assert "Three." in second
    assert "Count again." in second
    assert "Count it." not in second
    assert [a.round for a in result.answers] == [1, 1, 2, 3]
    assert result.stop_reason == "manager_done"


async def test_the_manager_gets_the_roster_and_the_answers() -> None:
    world = World()
    world.script("Manager", ask(ana="1", bob="2"), done(), answer("So."))
    world.script("Ana", answer("Three."))
    world.script("Bob", refused())
    await run(world, replace(council_spec(*KEYS, limits=DEEP), goal="Ship it."))
    (route,) = world.told("Manager", "route")
    (evaluate,) = world.told("Manager", "evaluate")
    assert "Ship it." in route
    assert "- @dee: Dee. You are dee." in route
    assert "Hello" in route
    assert "[Ana (@ana)]: Three." in evaluate
    assert "Bob could not answer." in evaluate
    assert "2 more round(s)" in evaluate
    requests = {request.purpose: request for request in world.requests if request.speaker_name == "Manager"}
    assert requests[Purpose.ROUTE].json_schema is not None
    assert requests[Purpose.ROUTE].max_output_tokens == 2_048  # the model's own limit, below the setting
    assert [r.json_schema for r in world.requests if r.purpose in ("reply", "synthesize")] == [None, None]


async def test_without_schemas_the_contract_is_in_the_prompt() -> None:
    world = World()
    world.script("Manager", ask(ana="1"))
    world.script("Ana", answer("Three."))
    spec = council_spec(*KEYS)
    assert spec.manager is not None
    await run(world, replace(spec, manager=replace(spec.manager, json_schema=False)))
    assert world.requests[0].json_schema is None
    assert '{"action": "route" | "synthesize"' in world.requests[0].system


async def test_the_manager_may_answer_alone() -> None:
    world = World()
    world.script("Manager", done(), answer("Mine."))
    result = await run(world, council_spec(*KEYS))
    assert (result.status, result.stop_reason, texts(result)) == ("completed", "manager_done", ["Mine."])
    assert result.answers[0].agent is None


async def test_the_manager_alone_may_fail() -> None:
    world = World()
    world.script("Manager", done(), refused())
    result = await run(world, council_spec(*KEYS))
    assert (result.status, result.stop_reason) == ("failed", "failed")
    assert result.error is not None
    assert result.error.message == "No."


async def test_in_the_last_round_the_manager_is_not_asked_to_evaluate() -> None:
    world = World()
    world.script(
        "Manager", ask(ana="1", bob="1"), ask(ana="2", bob="2"), ask(ana="3", bob="3"), answer("So.")
    )
    world.respond = lambda request: answer(request.speaker_name)
    result = await run(world, council_spec(*KEYS, limits=DEEP))
    assert (result.status, result.stop_reason) == ("completed", "max_rounds")
    assert [intent.request.purpose for intent in world.intents].count(Purpose.EVALUATE) == 2
    assert world.slots()[-1] == "synthesize:3"
    assert len(set(world.slots())) == len(world.slots())


async def test_twelve_calls_are_the_most() -> None:
    world = World()
    world.script("Manager", ask(ana="1", bob="1", cy="1"), ask(ana="2", bob="2", cy="2"), answer("So."))
    world.respond = lambda request: answer(request.speaker_name)
    result = await run(world, council_spec(*KEYS, limits=Limits(max_rounds=3, max_specialist_calls=4)))
    assert (result.status, result.stop_reason) == ("completed", "max_calls")
    assert decisions(result) == [(1, "route", ["ana", "bob", "cy"], False), (2, "route", ["ana"], False)]
    assert len(world.told("Ana")) == 2
    assert len(world.told("Bob")) == 1


async def test_of_twenty_tagged_agents_twelve_are_asked() -> None:
    keys = [f"a{number}" for number in range(20)]
    world = World()
    world.script("Manager", answer("So."))
    world.respond = lambda request: answer(request.speaker_name)
    result = await run(world, council_spec(*keys, addressed=keys, limits=DEEP))
    assert (result.status, result.stop_reason) == ("completed", "max_calls")
    assert [a.agent.key for a in result.answers if a.agent] == keys[:12]
    assert decisions(result) == [(1, "route", keys[:12], False)]
    assert world.told("Manager", "route") == []


async def test_tagged_agents_are_all_asked_first_without_routing() -> None:
    world = World()
    world.script("Manager", done(), answer("So."))
    world.respond = lambda request: answer(request.speaker_name)
    spec = council_spec(*KEYS, addressed=("dee", "bob", "ana", "cy"), limits=DEEP)
    result = await run(world, spec)
    assert decisions(result) == [
        (1, "route", ["dee", "bob", "ana", "cy"], False),
        (2, "synthesize", [], False),
    ]
    assert texts(result) == ["Dee", "Bob", "Ana", "Cy", "So."]
    assert world.told("Manager", "route") == []


async def test_nobody_is_asked_the_same_twice() -> None:
    world = World()
    world.script(
        "Manager", ask(ana="Count.", bob="Weigh."), ask(ana="count. ", cy="Look."), done(), answer("So.")
    )
    world.respond = lambda request: answer(request.speaker_name)
    result = await run(world, council_spec(*KEYS, limits=DEEP))
    assert result.stop_reason == "manager_done"
    assert decisions(result)[1] == (2, "route", ["cy"], False)
    assert len(world.told("Ana")) == 1


async def test_a_manager_that_repeats_itself_is_stopped() -> None:
    world = World()
    world.script("Manager", ask(ana="Count.", bob="Weigh."), ask(bob="Weigh.", ana="Count."), answer("So."))
    world.respond = lambda request: answer(request.speaker_name)
    result = await run(world, council_spec(*KEYS, limits=DEEP))
    assert (result.status, result.stop_reason) == ("completed", "repeat")
    assert decisions(result)[1] == (2, "route", [], False)
    assert texts(result) == ["Ana", "Bob", "So."]


async def test_who_was_tagged_is_not_asked_again_without_an_instruction() -> None:
    world = World()
    world.script("Manager", ask(ana=""), answer("So."))
    world.respond = lambda request: answer(request.speaker_name)
    result = await run(world, council_spec(*KEYS, addressed=("ana", "bob"), limits=DEEP))
    assert result.stop_reason == "repeat"


async def test_one_answer_alone_needs_no_synthesis() -> None:
    world = World()
    world.script("Manager", ask(ana="Count."))
    world.script("Ana", answer("Three."))
    result = await run(world, council_spec(*KEYS))
    assert (result.status, result.stop_reason, texts(result)) == ("completed", "max_rounds", ["Three."])


async def test_one_answer_of_two_asked_needs_none_either() -> None:
    world = World()
    world.script("Manager", ask(ana="1", bob="2"), done())
    world.script("Ana", answer("Three."))
    world.script("Bob", refused())
    result = await run(world, council_spec(*KEYS, limits=DEEP))
    assert (result.status, result.stop_reason, texts(result)) == ("partial", "manager_done", ["Three.", ""])


async def test_unless_a_synthesis_is_always_wanted() -> None:
    world = World()
    world.script("Manager", ask(ana="Count."), answer("So."))
    world.script("Ana", answer("Three."))
    result = await run(world, council_spec(*KEYS, limits=Limits(always_synthesize=True)))
    assert texts(result) == ["Three.", "So."]
