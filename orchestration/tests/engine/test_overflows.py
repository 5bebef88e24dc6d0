"""Requests that a server refuses as too long: the second try, and what the user is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from orchestration.engine.context import window_of
from orchestration.engine.ports import Failed, ModelEvent, TextDelta
from orchestration.engine.result import TurnResult
from orchestration.engine.specs import HistoryMessage, ModelRequest, SummaryPlan, SummarySpec, TurnSpec
from orchestration.engine.steps import RetryPolicy
from orchestration.engine.tokens import estimate_input
from orchestration.engine.turn import run_turn
from orchestration.tests.engine.support.world import (
    World,
    answer,
    ask,
    council_spec,
    done,
    model_spec,
    refused,
    turn_spec,
)

NO_RETRIES = RetryPolicy(retries=0)
SUMMARY = json.dumps({"summary_text": "They talked."})


def too_long(
    *, limit_tokens: int | None = None, requested_tokens: int | None = None, input_tokens: int | None = None
) -> list[ModelEvent]:
    return [
        Failed(
            "context_overflow",
            "Too long.",
            retryable=False,
            may_have_cost=False,
            limit_tokens=limit_tokens,
            requested_tokens=requested_tokens,
            input_tokens=input_tokens,
        )
    ]


def long_history(messages: int = 20, chars: int = 2_000) -> list[HistoryMessage]:
    return [
        HistoryMessage(seq, "user" if seq % 2 else "agent", f"#{seq} " + "x" * chars, "ana", "Ana")
        for seq in range(1, messages + 1)
    ]


async def run(world: World, spec: TurnSpec) -> TurnResult:
    result = await run_turn(spec, world.ports, world.control, NO_RETRIES)
    world.check_books()
    return result


def server_with(window: int, *, tokens_per_estimated: float = 1.0) -> World:
    """A server that counts other than we do, and answers what fits its window with the output limit."""

    def respond(request: ModelRequest) -> Sequence[ModelEvent]:
        size = round(estimate_input(request) * tokens_per_estimated)
        requested = size + request.max_output_tokens
        if requested > window:
            return too_long(limit_tokens=window, requested_tokens=requested, input_tokens=size)
        return answer(SUMMARY if request.purpose == "summarize" else "Fits.")

    return World(respond=respond)


async def test_the_second_try_has_a_smaller_output_limit_if_the_input_fits() -> None:
    world = World()
    world.script(
        "Ana", too_long(limit_tokens=8192, requested_tokens=8643, input_tokens=7005), answer("Short.")
    )
    spec = turn_spec("ana", history=long_history())
    result = await run(world, spec)

    assert (result.status, result.answers[0].text) == ("completed", "Short.")
    first, second = world.requests
    assert second == replace(first, max_output_tokens=second.max_output_tokens)
    assert 1_000 < second.max_output_tokens <= 8192 - 7005
    assert [outcome.final for outcome in world.outcomes] == [False, True]
    assert [intent.attempt for intent in world.intents] == [1, 2]
    assert world.slept == [0.0]


@pytest.mark.parametrize("density", [0.7, 1.0, 2.5])
@pytest.mark.parametrize("window", [4_096, 8_192, 16_384])
async def test_the_second_try_leaves_older_messages_out(window: int, density: float) -> None:
    world = server_with(window, tokens_per_estimated=density)
    result = await run(world, turn_spec("ana", history=long_history(50)))

    assert result.answers[0].text == "Fits."
    first, second = world.requests
    assert world.intents[1].context["pruned"] > world.intents[0].context["pruned"]
    assert second.messages[-1] == first.messages[-1]


async def test_without_figures_the_second_try_is_little_more_than_the_question() -> None:
    world = World()
    world.script("Ana", too_long(), answer("Yes."))
    spec = replace(turn_spec("ana", history=long_history()), summary=SummarySpec("They had talked."))
    await run(world, spec)
    assert "They had talked." in world.requests[1].system
    assert estimate_input(world.requests[1]) < 2_000
    assert world.requests[1].messages[-1].text.endswith("Hello")


async def test_figures_that_cannot_be_are_none() -> None:
    world = World()
    world.script("Ana", too_long(limit_tokens=8_000, requested_tokens=0, input_tokens=0), answer("Yes."))
    result = await run(world, turn_spec("ana", history=long_history()))
    assert result.status == "completed"


async def test_there_is_one_second_try() -> None:
    world = World(respond=lambda _: too_long(limit_tokens=900, requested_tokens=9_000, input_tokens=8_000))
    result = await run(world, turn_spec("ana", history=long_history()))
    assert (result.status, len(world.requests)) == ("failed", 2)


async def test_a_request_with_nothing_to_leave_out_is_not_sent_again() -> None:
    world = World(respond=lambda _: too_long(limit_tokens=900, requested_tokens=9_000, input_tokens=8_000))
    result = await run(world, turn_spec("ana"))
    assert (result.status, len(world.requests)) == ("failed", 1)


async def test_an_output_limit_above_the_models_is_lowered() -> None:
    too_much = [Failed("provider_error", "No.", False, may_have_cost=False, output_limit_tokens=1_024)]
    world = World()
    world.script("Ana", too_much, answer("Fine."))
    result = await run(world, turn_spec("ana", history=long_history()))
    assert result.answers[0].text == "Fine."
    assert world.requests[1] == replace(world.requests[0], max_output_tokens=1_024)


async def test_an_answer_that_has_begun_is_not_asked_for_again() -> None:
    world = World()
    world.script("Ana", [TextDelta("So "), *too_long(limit_tokens=900, input_tokens=8_000)])
    result = await run(world, turn_spec("ana", history=long_history()))
    assert (result.answers[0].text, len(world.requests)) == ("So ", 1)


# --- Every speaker ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["manual", "roundtable"])
async def test_every_agent_has_its_second_try(mode: str) -> None:
    world = server_with(8_192)
    result = await run(world, turn_spec("ana", "bob", mode=mode, history=long_history()))
    assert [(each.status, each.text) for each in result.answers] == [("complete", "Fits.")] * 2
    assert len(world.requests) == 4


async def test_the_manager_has_second_tries_for_decisions_and_the_conclusion() -> None:
    tight = too_long(limit_tokens=8192, requested_tokens=18_000, input_tokens=14_000)
    world = World()
    world.script("Manager", tight, ask(ana="Speak.", bob="Speak."), tight, answer("So."))
    world.script("Ana", answer("A"))
    world.script("Bob", answer("B"))
    result = await run(world, replace(council_spec("ana", "bob"), history=tuple(long_history())))
    assert [each.text for each in result.answers] == ["A", "B", "So."]
    assert not result.routing[0][1].used_fallback
    assert [intent.attempt for intent in world.intents if intent.agent is None] == [1, 2, 1, 2]


async def test_the_summarizer_has_a_second_try_with_shorter_excerpts() -> None:
    world = server_with(4_096)
    spec = turn_spec("ana", history=long_history())
    plan = SummaryPlan(through_seq=18, first=True)
    result = await run(world, replace(spec, summarize=plan, summarizer=model_spec()))
    assert result.summary is not None
    assert (result.summary.used_fallback, result.summary.through_seq) == (False, 18)
    asked = [request for request in world.requests if request.purpose == "summarize"]
    assert len(asked) == 2
    assert "#1 User: #1" in asked[1].messages[-1].text
    assert len(asked[1].messages[-1].text) < len(asked[0].messages[-1].text)


async def test_others_answer_although_one_does_not_fit() -> None:
    world = World()
    world.script("Ana", too_long(limit_tokens=900, input_tokens=8_000))
    world.script("Bob", answer("B"))
    result = await run(world, turn_spec("ana", "bob"))
    assert (result.status, result.error and result.error.code) == ("partial", "context_overflow")


# --- Recovery ---------------------------------------------------------------------------------------------------------


async def test_after_a_crash_the_second_try_continues_from_the_refusal() -> None:
    spec = turn_spec("ana", history=long_history())
    whole = server_with(8_192)
    await run(whole, spec)
    assert len(whole.requests) == 2
    for writes in range(len(whole.journal) + 1):
        world = server_with(8_192)
        world.pasts = whole.after_a_crash(writes)
        result = await run(world, spec)
        assert result.answers[0].text == "Fits."
        was_refused = writes >= 2
        assert (
            world.requests
            == (whole.requests[1:] if was_refused else whole.requests)[: 0 if writes == 4 else None]
        )


# --- What the user is told --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "role", "helps"),
    [
        ("word " * 6_000, "You are ana.", "Shorten the message"),
        ("Hello", "word " * 6_000, "Shorten the instructions of @ana"),
    ],
)
async def test_the_error_has_both_figures_and_what_helps(message: str, role: str, helps: str) -> None:
    world = World()
    world.script("Ana", too_long(limit_tokens=4_096, requested_tokens=9_638, input_tokens=8_000))
    spec = turn_spec("ana", message=message)
    (ana,) = spec.roster
    result = await run(world, replace(spec, roster=(replace(ana, role_prompt=role),)))
    error = result.error
    assert error is not None
    assert (error.code, error.retryable) == ("context_overflow", False)
    assert error.message == (
        f"This needs 9,638 tokens, and the model m takes 4,096. {helps}, or choose a model with a larger context "
        "window."
    )
    assert error.details == {
        "agent": "ana",
        "model": "m",
        "needed_tokens": 9_638,
        "budget_tokens": 4_096,
    }


async def test_without_figures_the_error_has_our_own_estimate() -> None:
    world = World()
    world.script("Ana", too_long())
    error = (await run(world, turn_spec("ana", message="word " * 6_000))).error
    assert error is not None
    assert error.message.startswith("This needs about 9,")
    assert error.details["budget_tokens"] is None


async def test_a_decision_that_fits_no_window_falls_back_with_its_cause() -> None:
    world = World()
    world.script("Manager", too_long(limit_tokens=900, input_tokens=8_000), done())
    world.script("Ana", answer("A"))
    result = await run(world, council_spec("ana"))
    decision = result.routing[0][1]
    assert decision.used_fallback
    assert decision.reason.startswith(
        "The manager gave no answer: This needs 8,000 tokens, and the model boss"
    )
    assert result.answers[0].text == "A"


async def test_other_failures_are_not_tried_again() -> None:
    world = World()
    world.script("Ana", refused())
    await run(world, turn_spec("ana", history=long_history()))
    assert len(world.requests) == 1


def test_a_window_that_the_server_has_named_counts_if_it_is_smaller() -> None:
    model = model_spec(window=32_768, max_output=8_192)
    assert window_of(replace(model, served_window=8_192)) == window_of(replace(model, context_window=8_192))
    assert window_of(replace(model, served_window=99_999)) == window_of(model)
