"""A turn without remaining funds stops and keeps its answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from orchestration.engine.ports import Ports
from orchestration.engine.result import TurnResult
from orchestration.engine.specs import HistoryMessage, Limits, ModelRequest, SummaryPlan, TurnSpec
from orchestration.engine.steps import BUDGET, RetryPolicy
from orchestration.engine.turn import run_turn
from orchestration.tests.engine.support.world import (
    World,
    answer,
    ask,
    council_spec,
    model_spec,
    turn_spec,
    unavailable,
)

KEYS = ("ana", "bob", "cy")


@dataclass
class Calls:
    """Funds for a number of calls, or only for calls with some purposes."""

    left: int
    purposes: tuple[str, ...] | None = None
    asked: list[str] = field(default_factory=list)

    def covers(self, spec: TurnSpec) -> bool:
        return True

    def reserve(self, call_id: str, request: ModelRequest, *, input_bound: int) -> bool:
        self.asked.append(request.purpose)
        if self.purposes is not None and request.purpose not in self.purposes:
            return False
        self.left -= 1
        return self.left >= 0


async def run(world: World, spec: TurnSpec, funds: Calls) -> TurnResult:
    ports: Ports = replace(world.ports, funds=funds)
    result = await run_turn(spec, ports, world.control, RetryPolicy(retries=2))
    world.check_books()
    assert len(world.requests) == len(world.intents)
    return result


def echo(request: ModelRequest) -> list:
    return answer(f"{request.speaker_name} speaks.")


async def test_in_a_fan_out_those_who_fit_answer() -> None:
    world = World(respond=echo)
    result = await run(world, turn_spec(*KEYS), Calls(2))
    assert (result.status, result.stop_reason, result.error) == ("partial", "budget", BUDGET)
    assert [a.status for a in result.answers] == ["complete", "complete", "failed"]
    assert len(world.intents) == 2


async def test_a_roundtable_ends_where_the_funds_do() -> None:
    world = World(respond=echo)
    funds = Calls(1)
    result = await run(world, turn_spec(*KEYS, mode="roundtable"), funds)
    assert (result.status, result.stop_reason) == ("partial", "budget")
    assert [a.agent.key for a in result.answers if a.agent] == ["ana", "bob"]
    assert len(funds.asked) == 2  # nothing is reserved for Cy


async def test_nobody_answered() -> None:
    result = await run(World(respond=echo), turn_spec("ana"), Calls(0))
    assert (result.status, result.stop_reason, result.error) == ("failed", "budget", BUDGET)


async def test_a_retry_draws_on_the_funds_too() -> None:
    world = World()
    world.script("Ana", unavailable())
    result = await run(world, turn_spec("ana"), Calls(1))
    assert (result.status, result.stop_reason, result.error) == ("failed", "budget", BUDGET)
    assert len(world.intents) == 1


@pytest.mark.parametrize(
    ("purposes", "status", "answers", "error"),
    [
        ((), "failed", 0, BUDGET),
        (("route",), "failed", 0, BUDGET),
        (
            ("route", "reply"),
            "partial",
            2,
            BUDGET,
        ),  # no decision for the second round, and no synthesis
        (("route", "reply", "evaluate"), "partial", 2, BUDGET),
    ],
)
async def test_an_orchestrated_turn_stops_with_what_it_has(purposes, status, answers, error) -> None:
    world = World(respond=echo)
    world.script("Manager", ask(ana="Count.", bob="Weigh."), answer('{"action": "synthesize"}'))
    spec = replace(council_spec(*KEYS), limits=Limits(max_rounds=2))
    result = await run(world, spec, Calls(99, purposes))
    assert (result.status, result.stop_reason, result.error) == (status, "budget", error)
    assert len([a for a in result.answers if a.status == "complete"]) == answers


async def test_what_is_left_is_for_the_answers_before_the_summary() -> None:
    history = tuple(HistoryMessage(seq, "user", "Earlier.") for seq in range(1, 5))
    spec = replace(
        turn_spec("ana", history=history),
        summarize=SummaryPlan(through_seq=2, first=False),
        summarizer=model_spec(),
    )
    result = await run(World(respond=echo), spec, Calls(1))
    assert (result.status, result.stop_reason, result.summary) == ("completed", None, None)


async def test_a_summary_alone_that_cannot_be_paid() -> None:
    history = tuple(HistoryMessage(seq, "user", "Earlier.") for seq in range(1, 5))
    spec = replace(
        turn_spec("ana", history=history, mode="summary"),
        addressed=(),
        summarize=SummaryPlan(through_seq=4, first=True),
        summarizer=model_spec(),
    )
    result = await run(World(respond=echo), spec, Calls(0))
    assert (result.status, result.stop_reason, result.error) == ("failed", "budget", BUDGET)
    # A broken answer is billed; without a second attempt the text stays as it is.
    world = World()
    world.script("Summarizer", answer("no JSON"))
    result = await run(world, spec, Calls(1))
    assert (result.status, result.stop_reason) == ("completed", None)
    assert result.summary is not None
    assert result.summary.used_fallback
