"""An output limit that is used up by thinking: the error names what to raise, and there is no second try."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestration.engine.ports import Completed, ModelEvent, ReasoningDelta, TextDelta
from orchestration.engine.specs import Usage, UsageReport
from orchestration.engine.steps import RetryPolicy
from orchestration.engine.turn import run_turn
from orchestration.tests.engine.support.world import World, agent_spec, model_spec, turn_spec

ALL = UsageReport(usage=Usage(input=1000, output=1234, reasoning=1234), source="provider")


@pytest.mark.parametrize(
    ("max_output_tokens", "window", "raised"),
    [
        (1_234, 32_768, "max output tokens of the agent @ana"),
        (None, 32_768, "max output tokens of the model m"),
        (1_900, 4_000, "the context window of the model m, of which an answer gets a fifth"),
    ],
)
@pytest.mark.parametrize("events", [[ReasoningDelta("Hmm")], [TextDelta("<think>Hmm")], []])
async def test_the_error_names_what_to_raise(
    events: list[ModelEvent], max_output_tokens: int | None, window: int, raised: str
) -> None:
    agent = agent_spec("ana", max_output_tokens=max_output_tokens, model=model_spec(window=window))
    world = World()
    world.script("Ana", [*events, Completed(ALL, "length")])
    result = await run_turn(
        replace(turn_spec("ana"), roster=(agent,)), world.ports, world.control, RetryPolicy(retries=2)
    )

    assert result.error is not None
    assert (result.error.code, result.error.retryable) == ("output_limit", False)
    assert result.error.message == f"All 1,234 tokens went into thinking; raise {raised}."
    assert len(world.requests) == 1
    assert world.outcomes[0].report == ALL
