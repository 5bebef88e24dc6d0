"""Councils for tests of the orchestrator."""

from orchestration.engine.result import TurnResult
from orchestration.engine.specs import Limits, TurnSpec
from orchestration.engine.steps import RetryPolicy
from orchestration.engine.turn import run_turn
from orchestration.tests.engine.support.world import (
    World,
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
