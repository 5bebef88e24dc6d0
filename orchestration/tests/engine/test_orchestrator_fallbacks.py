"""Councils whose manager or specialist fails."""

import logging

import pytest

from orchestration.engine.contracts import ASK_AGAIN
from orchestration.engine.events import StepDelta
from orchestration.engine.ports import Completed, Failed, ModelEvent, ReasoningDelta, TextDelta
from orchestration.engine.specs import Limits
from orchestration.engine.steps import RetryPolicy
from orchestration.engine.turn import run_turn
from orchestration.tests.engine.support.council import DEEP, KEYS, decisions, run, texts
from orchestration.tests.engine.support.world import (
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


def asked_again(useless: list[ModelEvent]) -> list[list[ModelEvent]]:
    """Return the answers to a decision's calls: a failed call is not made again."""
    return [useless] if isinstance(useless[-1], Failed) else [useless, useless]


async def test_an_unusable_decision_is_asked_for_once_more() -> None:
    world = World()
    world.script("Manager", answer("Ask Bob!"), ask(bob="1"))
    world.script("Bob", answer("B"))
    result = await run(world, council_spec(*KEYS))
    assert decisions(result) == [(1, "route", ["bob"], False)]
    first, second = world.told("Manager", "route")
    assert second == f"{first} {ASK_AGAIN}"


@pytest.mark.parametrize(
    ("useless", "reason", "sentence"),
    [
        (refused(), "no_answer", "The manager gave no answer: No."),
        (answer(""), "no_answer", "The manager gave no answer."),
        (answer("<think>hm</think>"), "no_answer", "The manager gave no answer."),
        (answer("Ask Ana!"), "not_json", "The manager's answer was not the JSON object it was asked for."),
        (
            ask(zoe="x"),
            "refused_schema",
            "The manager's answer was JSON that does not match the schema.",
        ),
        (
            [ReasoningDelta("Hm."), Completed(USAGE, "length")],
            "length",
            "The manager did not finish: All 5 tokens went into thinking; raise PANTHEON_MANAGER_MAX_TOKENS.",
        ),
        (
            [TextDelta('{"action": "ro'), Completed(USAGE, "length")],
            "length",
            "The manager's answer was cut off at its max output tokens; raise PANTHEON_MANAGER_MAX_TOKENS.",
        ),
    ],
)
async def test_a_fallback_says_its_cause(useless: list[ModelEvent], reason: str, sentence: str) -> None:
    world = World()
    world.script("Manager", *(asked_again(useless) if reason != "length" else [useless]))
    world.script("Ana", answer("A"))
    spec = council_spec(*KEYS, limits=Limits(manager_max_tokens=1_024))
    ((_, decision),) = (await run(world, spec)).routing
    assert (decision.fallback_reason, decision.reason) == (reason, sentence)
    assert [outcome.fallback_reason for outcome in world.outcomes][-2:-1] == [reason]


@pytest.mark.parametrize("useless", USELESS)
async def test_without_a_decision_the_first_agent_is_asked(
    useless: list[ModelEvent], caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    world.script("Manager", *asked_again(useless))
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
    world.script("Manager", ask(ana="1", bob="2"), *asked_again(useless), answer("So."))
    world.respond = lambda request: answer(request.speaker_name)
    result = await run(world, council_spec(*KEYS, limits=DEEP))
    assert (result.status, result.stop_reason, result.error) == ("completed", "manager_done", None)
    assert decisions(result)[1] == (2, "synthesize", [], True)
    assert texts(result) == ["Ana", "Bob", "So."]


async def test_a_fallback_to_synthesize_with_no_answers_is_a_failure() -> None:
    world = World()
    world.script("Manager", ask(ana="1", bob="2"), *asked_again(answer("Hm.")))
    world.script("Ana", refused())
    world.script("Bob", refused())
    result = await run(world, council_spec(*KEYS, limits=DEEP))
    assert (result.status, result.stop_reason, len(world.intents)) == ("failed", "failed", 5)
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


async def test_the_others_continue_and_the_synthesis_knows_who_is_missing() -> None:
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


async def test_a_specialist_that_answers_for_others_is_cut_and_billed_as_the_provider_counts() -> None:
    world = World()
    world.script("Manager", ask(ana="1", bob="2"), answer("So."))
    world.script("Ana", answer("Mine.\n\nBo", "b: His. ", "x" * 400))
    world.script("Bob", answer("B"))
    result = await run(world, council_spec(*KEYS))
    assert (result.status, texts(result)) == ("completed", ["Mine.\n\n", "B", "So."])
    cut = next(outcome for outcome in world.outcomes if outcome.finish_reason == "guarded")
    assert (cut.status, cut.cut_for, cut.report) == ("ok", "Bob", USAGE)
    assert "His." not in "".join(event.text for event in world.events if isinstance(event, StepDelta))


async def test_an_endless_continuation_is_not_read_to_its_end() -> None:
    world = World()
    world.script("Manager", ask(ana="1", bob="2"), answer("So."))
    world.script("Ana", [TextDelta("Mine.\n\nBob: His. "), TextDelta("x" * 9_000), Block()])
    world.script("Bob", answer("B"))
    result = await run(world, council_spec(*KEYS))
    assert (result.status, texts(result)) == ("completed", ["Mine.\n\n", "B", "So."])
    cut = next(outcome for outcome in world.outcomes if outcome.finish_reason == "guarded")
    assert (cut.status, cut.report.source) == ("ok", "estimated")
    assert cut.report.usage.output > 2_000


async def test_the_synthesis_may_name_who_said_what_but_not_leak_its_instruction() -> None:
    world = World()
    text = "**Ana:** counts three.\nBob: weighs it.\n\n"
    world.script("Manager", ask(ana="1", bob="2"), answer(text, "[Council, to the manager alone]: Now write"))
    world.respond = lambda request: answer(request.speaker_name)
    result = await run(world, council_spec(*KEYS))
    assert (result.status, texts(result)) == ("completed", ["Ana", "Bob", text])
