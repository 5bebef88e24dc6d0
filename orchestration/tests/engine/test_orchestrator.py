import asyncio
import json
import logging
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.engine.control import Control
from orchestration.engine.events import RoutingDecided, StepCompleted, StepDelta, StepStarted
from orchestration.engine.ports import Completed, Failed, ModelEvent, PastCall, TextDelta
from orchestration.engine.specs import Limits, ModelRequest, TurnSpec
from orchestration.engine.steps import EXHAUSTED, RetryPolicy
from orchestration.engine.turn import TurnResult, run_turn
from orchestration.tests.engine.test_routing import MANAGER_ANSWERS
from orchestration.tests.engine.world import (
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

RETRY = RetryPolicy(retries=0)
DEEP = Limits(max_rounds=3)
KEYS = ("ana", "bob", "cy", "dee")


async def run(world: World, spec: TurnSpec) -> TurnResult:
    result = await run_turn(spec, world.ports, world.control, RETRY)
    world.check_books()
    return result


def texts(result: TurnResult) -> list[str]:
    return [answer.text for answer in result.answers]


def decisions(result: TurnResult) -> list[tuple[int, str, list[str], bool]]:
    return [
        (number, decision.action, [s.agent_key for s in decision.selections], decision.used_fallback)
        for number, decision in result.routing
    ]


# --- The way of a turn ------------------------------------------------------------------------------------------------


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


async def test_routing_is_told_when_decided_and_silent_while_it_is_written() -> None:
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


async def test_a_specialist_hears_its_instruction_and_earlier_rounds_but_not_its_own_round() -> None:
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


async def test_the_manager_is_told_who_there_is_and_what_was_said() -> None:
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
    assert requests["route"].json_schema is not None
    assert requests["route"].max_output_tokens == 512
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


# --- Why it stops -----------------------------------------------------------------------------------------------------


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
    assert [intent.request.purpose for intent in world.intents].count("evaluate") == 2
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


# --- What fails -------------------------------------------------------------------------------------------------------

USELESS = [
    answer("Ask Ana!"),
    answer(""),
    answer("   "),
    ask(zoe="x"),
    answer('{"action": "route", "selections": []}'),
    answer("[" * 100_000),
    refused(),
    [TextDelta('{"action": "synth'), Failed("provider_unavailable", "Cut.", True, True)],
]


@pytest.mark.parametrize("useless", USELESS)
async def test_without_a_decision_the_first_agent_is_asked(
    useless: list[ModelEvent], caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    world.script("Manager", useless)
    world.script("Ana", answer("Three."))
    with caplog.at_level(logging.WARNING, "orchestration.engine.routing"):
        result = await run(world, council_spec(*KEYS))
    assert (result.status, result.stop_reason, result.error) == ("completed", "max_rounds", None)
    assert decisions(result) == [(1, "route", ["ana"], True)]
    assert texts(result) == ["Three."]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("useless", USELESS)
async def test_later_the_synthesis_follows(useless: list[ModelEvent]) -> None:
    world = World()
    world.script("Manager", ask(ana="1", bob="2"), useless, answer("So."))
    world.respond = lambda request: answer(request.speaker_name)
    result = await run(world, council_spec(*KEYS, limits=DEEP))
    assert (result.status, result.stop_reason, result.error) == ("completed", "manager_done", None)
    assert decisions(result)[1] == (2, "synthesize", [], True)
    assert texts(result) == ["Ana", "Bob", "So."]


async def test_a_fallback_to_synthesize_with_no_answers_is_a_failure() -> None:
    world = World()
    world.script("Manager", ask(ana="1", bob="2"), answer("Hm."))
    world.script("Ana", refused())
    world.script("Bob", refused())
    result = await run(world, council_spec(*KEYS, limits=DEEP))
    assert (result.status, result.stop_reason, len(world.intents)) == ("failed", "failed", 4)
    assert result.error is not None
    assert result.error.code == "provider_error"


async def test_but_the_manager_may_choose_to_answer_for_want_of_others() -> None:
    world = World()
    world.script("Manager", ask(ana="1"), done(), answer("Mine."))
    world.script("Ana", refused())
    result = await run(world, council_spec(*KEYS, limits=DEEP))
    assert (result.status, result.stop_reason, texts(result)) == ("partial", "manager_done", ["", "Mine."])
    assert "Ana could not answer." in world.told("Manager", "synthesize")[0]


@pytest.mark.parametrize("second", [ask(ana="1"), None])
async def test_with_no_answers_no_synthesis_is_attempted(second: list[ModelEvent] | None) -> None:
    world = World()
    world.script("Manager", ask(ana="1"), *([second] if second else []))
    world.script("Ana", refused())
    result = await run(world, council_spec(*KEYS, limits=Limits(max_rounds=3 if second else 1)))
    assert (result.status, result.stop_reason) == ("failed", "failed")
    assert world.told("Manager", "synthesize") == []


async def test_a_failed_synthesis_counts() -> None:
    world = World()
    world.script("Manager", ask(ana="1", bob="2"), [TextDelta("We th"), *refused()])
    world.respond = lambda request: answer(request.speaker_name)
    result = await run(world, council_spec(*KEYS))
    assert (result.status, result.stop_reason) == ("partial", "max_rounds")
    assert [(a.status, a.text) for a in result.answers] == [
        ("complete", "Ana"),
        ("complete", "Bob"),
        ("failed", "We th"),
    ]
    assert result.error is not None


async def test_the_others_go_on_and_the_synthesis_knows_who_is_missing() -> None:
    world = World()
    world.script("Manager", ask(ana="1", bob="2", cy="3"), answer("So."))
    world.script("Ana", answer("A"))
    world.script("Bob", [TextDelta("Half of B"), *refused()])
    world.script("Cy", answer("C"))
    result = await run(world, council_spec(*KEYS))
    assert (result.status, texts(result)) == ("partial", ["A", "Half of B", "C", "So."])
    (told,) = world.told("Manager", "synthesize")
    assert "Bob could not answer." in told
    assert "Half of B" not in told


async def test_a_failed_routing_call_is_tried_again_before_it_falls_back() -> None:
    world = World()
    world.script("Manager", [TextDelta("{"), *unavailable()], ask(bob="1"))
    world.script("Bob", answer("B"))
    result = await run_turn(council_spec(*KEYS), world.ports, world.control, RetryPolicy(retries=1))
    assert (result.status, texts(result)) == ("completed", ["B"])
    assert [intent.attempt for intent in world.intents if intent.slot == "route:1"] == [1, 2]


# --- Identity ---------------------------------------------------------------------------------------------------------


async def test_a_specialist_that_answers_for_all_is_cut_and_billed_for_all_of_it() -> None:
    world = World()
    world.script("Manager", ask(ana="1", bob="2"), answer("So."))
    world.script("Ana", [TextDelta("Mine.\n\n**Bo"), TextDelta("b:** His. " + "x" * 400), Block()])
    world.script("Bob", answer("B"))
    result = await run(world, council_spec(*KEYS))
    assert (result.status, texts(result)) == ("completed", ["Mine.\n\n", "B", "So."])
    cut = next(outcome for outcome in world.outcomes if outcome.finish_reason == "guarded")
    assert (cut.status, cut.report.source) == ("ok", "estimated")
    assert cut.report.usage.output > 100
    assert "His." not in "".join(event.text for event in world.events if isinstance(event, StepDelta))


@pytest.mark.parametrize("leak", ["[Manager, to you alone]: Count it.", "Bob: His.", "Manager: We end here."])
async def test_a_specialist_that_says_nothing_of_its_own_has_failed(leak: str) -> None:
    world = World()
    world.script("Manager", ask(ana="Count it.", bob="2"))
    world.script("Ana", answer(*leak, "\nAnd Bob"))
    world.script("Bob", answer("B"))
    result = await run(world, council_spec(*KEYS))
    assert (result.status, texts(result)) == ("partial", ["", "B"])
    assert result.error is not None
    assert "answered for somebody else" in result.error.message
    (cut,) = [outcome for outcome in world.outcomes if outcome.status == "failed"]
    assert cut.report.source == "estimated"
    assert cut.report.usage.output > 0


async def test_the_synthesis_may_name_who_said_what_but_not_leak_its_instruction() -> None:
    world = World()
    said = "**Ana:** counts three.\nBob: weighs it.\n"
    world.script("Manager", ask(ana="1", bob="2"), answer(said, "[Council, to the manager alone]: Now write"))
    world.respond = lambda request: answer(request.speaker_name)
    result = await run(world, council_spec(*KEYS))
    assert (result.status, texts(result)) == ("completed", ["Ana", "Bob", said])


# --- Cancelled --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["route", "reply", "evaluate", "synthesize"])
async def test_a_cancel_at_any_stage_keeps_what_was_said(stage: str) -> None:
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


# --- Resumed ----------------------------------------------------------------------------------------------------------


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


async def test_a_turn_resumed_at_any_point_comes_to_the_same_and_asks_only_what_is_missing() -> None:
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


async def test_a_turn_that_was_never_routed_is_given_up_without_a_made_up_decision() -> None:
    world = World(control=Control(exhausted=True))
    result = await run(world, council_spec(*KEYS))
    assert (result.status, result.stop_reason, result.error) == ("failed", "failed", EXHAUSTED)
    assert (result.routing, world.events) == ((), [])


async def test_an_interrupted_cancel_stays_cancelled() -> None:
    world = World(pasts={"route:1": PastCall("step", 1, "cancelled", "", None, True)})
    result = await run(world, council_spec(*KEYS))
    assert result.status == "cancelled"


# --- Whatever happens -------------------------------------------------------------------------------------------------

REPLIES: st.SearchStrategy[list[ModelEvent]] = st.sampled_from(
    [
        answer("Fine."),
        answer(""),
        answer("Bob: His."),
        answer("Ana: Hers."),
        answer("Mine.\nManager: Ours."),
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
        assert (
            a.purpose == "synthesize" or not a.text.startswith("Bob:") or (a.agent and a.agent.key == "bob")
        )
