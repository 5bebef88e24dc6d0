import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from orchestration.engine.events import StepCompleted, StepDelta, StepFailed, StepStarted
from orchestration.engine.modes import DIRECT
from orchestration.engine.ports import (
    CallError,
    Completed,
    Failed,
    ModelEvent,
    Opened,
    PartialUsage,
    PastCall,
    ReasoningDelta,
    TextDelta,
)
from orchestration.engine.result import TurnResult
from orchestration.engine.specs import ModelRequest, Usage, UsageReport
from orchestration.engine.steps import RetryPolicy
from orchestration.engine.turn import run_turn
from orchestration.tests.engine.support.world import USAGE, Block, World, answer, turn_spec, unavailable

RETRY = RetryPolicy(retries=2, base_s=1.0, max_wait_s=30.0)


async def run(world: World, *keys: str) -> TurnResult:
    return await run_turn(turn_spec(*keys), world.ports, world.control, RETRY)


async def test_one_agent_answers() -> None:
    world = World()
    world.script("Ana", [Opened("req-1", "m-2026"), ReasoningDelta("hm"), *answer("Good ", "day.")])
    result = await run(world, "ana")
    assert result.status == "completed"
    assert [(a.text, a.status) for a in result.answers] == [("Good day.", "complete")]
    kinds = [type(event) for event in world.events]
    assert kinds == [StepStarted, StepDelta, StepDelta, StepDelta, StepCompleted]
    (outcome,) = world.outcomes
    assert (outcome.status, outcome.report, outcome.provider_request_id) == ("ok", USAGE, "req-1")
    assert outcome.call_id == world.intents[0].call_id


async def test_agents_answer_side_by_side_in_the_order_asked() -> None:
    world = World()
    first, second = Block(), Block()
    world.script("Ana", [first, *answer("A")])
    world.script("Bob", [second, *answer("B")])
    running = asyncio.create_task(run(world, "ana", "bob"))
    await first.reached.wait()
    await second.reached.wait()
    second.release.set()
    first.release.set()
    result = await running
    assert [a.text for a in result.answers] == ["A", "B"]


async def test_an_agent_does_not_get_the_others_answers_of_this_turn() -> None:
    world = World()
    world.script("Ana", answer("Secret of Ana"))
    world.script("Bob", answer("B"))
    await run(world, "ana", "bob")
    assert all(
        "Secret of Ana" not in message.text for request in world.requests for message in request.messages
    )


async def test_attempts_are_repeated_with_growing_pauses_and_each_is_a_call() -> None:
    world = World()
    world.script("Ana", unavailable(), unavailable(), answer("At last"))
    result = await run(world, "ana")
    assert result.status == "completed"
    assert [intent.attempt for intent in world.intents] == [1, 2, 3]
    assert len({intent.step_id for intent in world.intents}) == 1
    assert len({intent.call_id for intent in world.intents}) == 3
    assert [outcome.final for outcome in world.outcomes] == [False, False, True]
    assert world.slept == [0.5, 1.0]
    assert [outcome.report.source for outcome in world.outcomes] == ["none", "none", "provider"]
    assert sum(isinstance(event, StepStarted) for event in world.events) == 1


async def test_after_the_last_attempt_the_step_fails() -> None:
    world = World()
    world.script("Ana", unavailable(), unavailable(), unavailable())
    result = await run(world, "ana")
    assert result.status == "failed"
    assert result.stop_reason == "failed"
    assert result.error == CallError("provider_unavailable", "Busy.", True)
    assert len(world.intents) == 3


async def test_a_request_without_the_refused_field_follows_at_once() -> None:
    world = World()
    refusal = Failed("provider_error", "No.", retryable=False, may_have_cost=False, without="temperature")
    world.script("Ana", [refusal], [refusal], [refusal], answer("At last"))
    result = await run(world, "ana")
    assert result.status == "completed"
    assert [intent.attempt for intent in world.intents] == [1, 2, 3, 4]
    assert world.slept == [0.0, 0.0, 0.0]
    assert [outcome.report.source for outcome in world.outcomes] == ["none", "none", "none", "provider"]


async def test_retry_after_is_obeyed_up_to_a_limit() -> None:
    world = World()
    world.script("Ana", unavailable(retry_after_s=7.0), answer("ok"))
    world.script("Bob", unavailable(retry_after_s=31.0))
    result = await run(world, "ana", "bob")
    assert world.slept == [7.0]
    assert result.status == "partial"


async def test_nothing_is_repeated_once_a_token_was_published() -> None:
    world = World()
    cut = Failed("provider_unavailable", "Cut.", retryable=True, may_have_cost=True)
    world.script("Ana", [TextDelta("Half an ans"), cut])
    result = await run(world, "ana")
    (said,) = result.answers
    assert (said.status, said.text) == ("failed", "Half an ans")
    (outcome,) = world.outcomes
    assert outcome.report.source == "estimated"
    assert outcome.report.usage.output == 3
    assert outcome.report.usage.input > 0
    assert isinstance(world.events[-1], StepFailed)


async def test_nothing_is_repeated_once_a_thought_was_published() -> None:
    world = World()
    world.script("Ana", [ReasoningDelta("Hm"), *unavailable()])
    result = await run(world, "ana")
    assert result.status == "failed"
    assert len(world.intents) == 1


async def test_what_nobody_has_seen_may_be_tried_again_and_is_paid_for() -> None:
    world = World()
    world.script("Ana", [TextDelta("<thi"), *unavailable(may_have_cost=True)], answer("Mine."))
    world.script("Bob", answer("B"))
    result = await run(world, "ana", "bob")
    assert [a.text for a in result.answers] == ["Mine.", "B"]
    first = next(outcome for outcome in world.outcomes if outcome.status == "failed")
    assert (first.text, first.final, first.report.source, first.report.usage.output) == (
        "",
        False,
        "estimated",
        1,
    )


async def test_an_error_that_repeating_cannot_mend_is_not_repeated() -> None:
    world = World()
    world.script("Ana", [Failed("provider_error", "No.", retryable=False, may_have_cost=False)])
    await run(world, "ana")
    assert len(world.intents) == 1
    assert world.outcomes[0].report.source == "none"


async def test_one_failure_leaves_the_others_their_answers() -> None:
    world = World()
    world.script("Ana", [Failed("provider_error", "No.", retryable=False, may_have_cost=False)])
    world.script("Bob", answer("B"))
    result = await run(world, "ana", "bob")
    assert result.status == "partial"
    assert result.error is not None
    assert [a.status for a in result.answers] == ["failed", "complete"]


async def test_an_empty_answer_is_a_failure_that_was_paid_for() -> None:
    world = World()
    world.script("Ana", answer("  \n"))
    result = await run(world, "ana")
    assert result.status == "failed"
    assert world.outcomes[0].report == USAGE


async def test_a_cancel_keeps_the_text_and_bills_the_usage() -> None:
    world = World()
    block = Block()
    opened = PartialUsage(Usage(input=40, cache_read=2), {"input_tokens": 40})
    world.script("Ana", [opened, TextDelta("Twelve chars"), block])
    world.script("Bob", answer("Done"))
    running = asyncio.create_task(run(world, "ana", "bob"))
    await block.reached.wait()
    async with asyncio.timeout(5):
        await world.completed.wait()
    world.control.cancel()
    result = await running
    assert (result.status, result.stop_reason, result.error) == ("cancelled", "cancelled", None)
    assert [(a.text, a.status) for a in result.answers] == [
        ("Twelve chars", "cancelled"),
        ("Done", "complete"),
    ]
    cut = next(outcome for outcome in world.outcomes if outcome.status == "cancelled")
    assert cut.report == UsageReport(
        Usage(input=40, cache_read=2, output=3), "estimated", {"input_tokens": 40}
    )
    assert world.closed == 2


async def test_a_second_cancel_does_not_disturb_the_closing_of_a_call() -> None:
    world = World()
    said, closing, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def stream(request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        try:
            yield TextDelta("Well")
            said.set()
            await asyncio.sleep(3600)
        finally:
            closing.set()
            await asyncio.sleep(0.01)
            closed.set()

    world.stream = stream  # type: ignore[method-assign]
    running = asyncio.create_task(run(world, "ana"))
    await said.wait()
    world.control.cancel()
    await closing.wait()
    world.control.cancel()
    result = await running
    assert (result.status, result.answers[0].text) == ("cancelled", "Well")
    assert closed.is_set()


async def test_a_cancel_before_the_first_call_asks_nobody() -> None:
    world = World()
    world.control.cancel()
    result = await run(world, "ana")
    assert result.status == "cancelled"
    assert world.intents == []


async def test_a_cancel_during_the_pause_ends_it() -> None:
    world = World()
    world.script("Ana", unavailable())

    async def cancel_while_asleep(seconds: float) -> None:
        world.control.cancel()
        await asyncio.sleep(3600)

    world.sleep = cancel_while_asleep  # type: ignore[method-assign]
    result = await run(world, "ana")
    assert result.status == "cancelled"
    assert len(world.outcomes) == 1


async def test_the_runners_own_stop_is_not_a_cancel() -> None:
    world = World()
    block = Block()
    world.script("Ana", [TextDelta("Half"), block])
    running = asyncio.create_task(run(world, "ana"))
    await block.reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert world.outcomes == []
    assert world.closed == 1


async def test_what_an_earlier_claim_finished_is_not_asked_again() -> None:
    world = World()
    world.pasts = {
        "reply:1:ana": PastCall("step-a", 1, "ok", "From before", None, True),
        "reply:1:bob": PastCall("step-b", 1, "interrupted", "", None, True),
        "reply:1:cy": PastCall(
            "step-c", 1, "failed", "", CallError("provider_unavailable", "Busy.", True), False
        ),
    }
    world.script("Bob", answer("Anew"))
    world.script("Cy", answer("Second try"))
    result = await run(world, "ana", "bob", "cy")
    assert [a.text for a in result.answers] == ["From before", "Anew", "Second try"]
    assert result.answers[0].step_id == "step-a"
    assert result.answers[1].step_id != "step-b"
    assert result.answers[2].step_id == "step-c"
    assert sorted((intent.slot, intent.attempt) for intent in world.intents) == [
        ("reply:1:bob", 1),
        ("reply:1:cy", 2),
    ]


async def test_a_turn_that_died_too_often_ends_with_what_there_is() -> None:
    world = World()
    world.control.exhausted = True
    world.pasts = {"reply:1:ana": PastCall("step-a", 1, "ok", "From before", None, True)}
    result = await run(world, "ana", "bob")
    assert result.status == "partial"
    assert world.intents == []
    assert [a.text for a in result.answers] == ["From before", ""]


async def test_what_the_provider_left_out_is_estimated() -> None:
    world = World()
    half = UsageReport(Usage(output=9), "estimated", {"completion_tokens": 9}, ("missing_input",))
    world.script("Ana", [TextDelta("An answer"), Completed(half, "stop")])
    await run(world, "ana")
    report = world.outcomes[0].report
    assert report.source == "estimated"
    assert report.usage.output == 9
    assert report.usage.input > 10
    assert report.flags == ("missing_input",)


async def test_an_answer_ends_before_it_speaks_for_another_and_its_call_is_read_on() -> None:
    world = World()
    events = [TextDelta(letter) for letter in "Mine.\n\nBob: His"]
    world.script("Ana", [ReasoningDelta("r" * 40), *events, Completed(USAGE, "stop")])
    world.script("Bob", answer("B"))
    result = await run(world, "ana", "bob")
    first = result.answers[0]
    assert (result.status, first.text, first.status) == ("completed", "Mine.\n\n", "complete")
    cut = next(outcome for outcome in world.outcomes if outcome.finish_reason == "guarded")
    assert (cut.status, cut.text, cut.cut_for, cut.report) == ("ok", "Mine.\n\n", "Bob", USAGE)
    deltas = [event for event in world.events if isinstance(event, StepDelta) and event.kind == "text"]
    assert "".join(event.text for event in deltas if event.step_id == first.step_id) == "Mine.\n\n"


async def test_a_cut_answer_is_complete_even_if_the_rest_fails() -> None:
    world = World()
    world.script("Ana", [TextDelta("Mine.\n\nBob: His"), *unavailable(may_have_cost=True)])
    world.script("Bob", answer("B"))
    result = await run(world, "ana", "bob")
    assert (result.status, result.answers[0].text) == ("completed", "Mine.\n\n")
    cut = next(outcome for outcome in world.outcomes if outcome.finish_reason == "guarded")
    assert cut.report.source == "estimated"


async def test_held_text_of_a_cut_call_is_not_published_but_billed() -> None:
    world = World()
    block = Block()
    world.script("Ana", [TextDelta("Mine.\n\nB"), block])
    world.script("Bob", answer("B"))
    running = asyncio.create_task(run(world, "ana", "bob"))
    await block.reached.wait()
    world.control.cancel()
    result = await running
    assert result.answers[0].text == "Mine.\n\n"
    cut = next(outcome for outcome in world.outcomes if outcome.text == "Mine.\n\n")
    assert cut.report.usage.output == 2


async def test_an_agent_alone_may_write_any_line() -> None:
    world = World()
    world.script("Ana", answer("Manager: hi.\nBob: hello."))
    spec = replace(turn_spec("ana"), mode=DIRECT)
    result = await run_turn(spec, world.ports, world.control, RETRY)
    assert result.answers[0].text == "Manager: hi.\nBob: hello."


async def test_of_two_of_one_name_each_may_write_it() -> None:
    world = World()
    spec = turn_spec("ana", "bob")
    twins = tuple(replace(agent, name="Expert") for agent in spec.roster)
    world.respond = lambda request: answer("Yes.\n\nExpert: yes.\n\n[Expert (@bob)]: no.")
    result = await run_turn(replace(spec, roster=twins), world.ports, world.control, RETRY)
    assert [a.text for a in result.answers] == [
        "Yes.\n\nExpert: yes.\n\n",
        "Yes.\n\nExpert: yes.\n\n[Expert (@bob)]: no.",
    ]
