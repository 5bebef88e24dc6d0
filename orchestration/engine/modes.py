"""The modes of a council, one row each; all other code reads this table.

A mode has a function that runs a turn, one that forecasts its calls, and its properties for pages and services. To
add a mode, write its functions in a module beside this one and add a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from orchestration.engine.call_sizes import ExpectedCalls, TurnAssumption
from orchestration.engine.members import fan_out, fan_out_calls, roundtable, roundtable_calls
from orchestration.engine.orchestrator import council_calls, orchestrate
from orchestration.engine.result import TurnResult
from orchestration.engine.run import Run
from orchestration.engine.specs import TurnSpec
from orchestration.engine.turn import summarize_alone

Keys = tuple[str, ...]


def all_members(tagged: Keys, members: Keys) -> Keys:
    return members


def tagged_alone(tagged: Keys, members: Keys) -> Keys:
    return tagged


def tagged_first(tagged: Keys, members: Keys) -> Keys:
    return (*tagged, *(key for key in members if key not in tagged))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """A mode of answering."""

    key: str
    """Its name in the database, the API and events."""
    run: Callable[[Run], Coroutine[Any, Any, TurnResult]]
    forecast: Callable[[TurnSpec, TurnAssumption, int], list[ExpectedCalls]]
    """Return the calls of a turn in order; the integer is the tokens of new text in the answers' initial context."""
    order: Callable[[Keys, Keys], Keys] = all_members
    """Return the agents to ask, in order, given the tagged and all members; empty: the manager chooses."""

    label: str = ""
    """Its name for people."""
    sentence: str = ""
    """Description of a turn in a room of this mode."""
    invitation: str = ""
    """Hint for the first message, after "Ask the council:"."""
    tagging: str = ""
    """Effect of a tag."""
    placeholder: str = "Ask the council"
    examples: Keys = ()
    """Questions that an empty session offers."""

    alone: bool = False
    """One agent answers outside any room."""
    spoken: bool = True
    """The turn has a message. Turns without one are not in any list, transcript or context."""
    side_by_side: bool = False
    """The agents of a round answer in parallel."""
    needs_tags: bool = False
    """Messages must tag agents."""
    led: bool = False
    """A manager chooses agents, in rounds: requires a goal and makes routing decisions."""
    concluded: bool = False
    """A manager writes the conclusion: it gets the answers and addresses the user."""

    @property
    def for_rooms(self) -> bool:
        return self.spoken and not self.alone


def no_calls(spec: TurnSpec, assumption: TurnAssumption, added_tokens: int) -> list[ExpectedCalls]:
    return []


DIRECT = Mode(
    key="direct",
    label="Chat",
    run=fan_out,
    forecast=fan_out_calls,
    examples=(
        "Explain the difference between a patent and a trademark, with an example of each.",
        "Draft a short email that moves a meeting from Tuesday to Thursday.",
        "What should I ask before I sign a two-year lease for an office?",
        "Give me five names for a bakery, with one sentence about each.",
    ),
    alone=True,
)
MANUAL = Mode(
    key="manual",
    label="Ask",
    run=fan_out,
    forecast=fan_out_calls,
    order=tagged_alone,
    sentence="The agents you mention answer in parallel.",
    invitation="everyone answers side by side. Mention agents to ask only them.",
    tagging="Mention an agent",
    placeholder="Type @ to choose who answers",
    examples=(
        "What is the strongest argument for a four-day week, and the strongest against it?",
        "Is now a good time to move our website to another provider?",
        "Name the three biggest risks of opening a second shop.",
        "How would you explain compound interest to a twelve-year-old?",
    ),
    side_by_side=True,
    needs_tags=True,
)
ROUNDTABLE = Mode(
    key="roundtable",
    label="Roundtable",
    run=roundtable,
    forecast=roundtable_calls,
    order=tagged_first,
    sentence="Agents answer in turn and build on earlier answers.",
    invitation="all agents answer in turn and build on earlier answers. Mentioned agents answer first.",
    tagging="Answer first",
    examples=(
        "Should we rent a corner shop, or sell online first?",
        "Write a launch announcement for a new app, and improve it in turn.",
        "What would make our customers leave, and what can we do about it this month?",
        "Plan a two-day workshop for a team of twelve.",
    ),
)
LEAD = Mode(
    key="orchestrator",
    label="Lead",
    run=orchestrate,
    forecast=council_calls,
    order=tagged_alone,
    sentence="A manager picks agents and writes the conclusion.",
    invitation="the manager picks who answers and concludes. Mention @agents to choose yourself.",
    tagging="Ask an agent yourself",
    examples=(
        "Decide between hiring two juniors and one senior, and say why.",
        "Make a plan for the first 90 days of a new product, with costs and risks.",
        "Should we raise our prices by 10%? Weigh the evidence and conclude.",
        "Compare three ways to cut our cloud costs, and recommend one.",
    ),
    side_by_side=True,
    led=True,
    concluded=True,
)
SUMMARY = Mode(key="summary", label="Summary", run=summarize_alone, forecast=no_calls, spoken=False)

MODES = {mode.key: mode for mode in (DIRECT, MANUAL, ROUNDTABLE, LEAD, SUMMARY)}
