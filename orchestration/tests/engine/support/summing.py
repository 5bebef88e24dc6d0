"""Sessions to summarize, and a summarizer's answers."""

from dataclasses import replace

from orchestration.engine.result import TurnResult
from orchestration.engine.specs import (
    HistoryMessage,
    SummaryItem,
    SummaryPlan,
    SummarySpec,
    TurnSpec,
)
from orchestration.engine.steps import RetryPolicy
from orchestration.engine.turn import run_turn
from orchestration.tests.engine.support.world import (
    World,
    model_spec,
    turn_spec,
)

RETRY = RetryPolicy(retries=0)


HISTORY = (
    HistoryMessage(1, "user", "Shall we buy the boat?"),
    HistoryMessage(2, "agent", "I say yes: it is cheap.", "ada", "Ada"),
    HistoryMessage(3, "agent", "I say no: it leaks.", "bob", "Bob"),
    HistoryMessage(4, "manager", "Bob is right. We wait."),
    HistoryMessage(5, "user", "And the house?"),
    HistoryMessage(6, "agent", "Later.", "ada", "Ada"),
)


EARLIER = SummarySpec(
    "They want to travel.",
    key_facts=(SummaryItem("Ada has 5,000.", 12, pinned=True), SummaryItem("Bob has a map.", 13)),
    open_questions=(SummaryItem("Where to?", None),),
)


def summing(
    mode: str = "manual", *, through: int = 4, first: bool = False, earlier: SummarySpec | None = None
) -> TurnSpec:
    spec = turn_spec("ada", "bob", mode=mode, history=HISTORY)
    return replace(
        spec, summarizer=model_spec("scribe"), summary=earlier, summarize=SummaryPlan(through, first)
    )


def only_summary(earlier: SummarySpec | None = None) -> TurnSpec:
    return replace(
        summing("summary", through=6, first=True, earlier=earlier), message="", index=None, addressed=()
    )


async def run(world: World, spec: TurnSpec) -> TurnResult:
    result = await run_turn(spec, world.ports, world.control, RETRY)
    world.check_books()
    return result
