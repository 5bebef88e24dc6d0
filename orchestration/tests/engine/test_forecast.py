"""A turn's forecast is never below its actual size."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.engine import bounds
from orchestration.engine.bounds import most_input
from orchestration.engine.call_sizes import CallSize, ExpectedCalls
from orchestration.engine.forecast import (
    AT_LEAST,
    as_usual,
    at_most,
    expected_calls,
    first_call,
)
from orchestration.engine.ports import ModelEvent
from orchestration.engine.specs import (
    AgentSpec,
    CarriedAnswer,
    HistoryMessage,
    Limits,
    ModelRequest,
    SummaryPlan,
    TurnSpec,
)
from orchestration.engine.steps import RetryPolicy
from orchestration.engine.tokens import BYTES_PER_TOKEN
from orchestration.engine.turn import run_turn
from orchestration.tests.engine.support.world import (
    RELAXED,
    World,
    agent_spec,
    answer,
    council_spec,
    model_spec,
    turn_spec,
)

CAP = 60
KEYS = ("ana", "bob", "cy", "dan")
SMALL = model_spec("small", max_output=CAP)


def spec_of(
    mode: str, keys: tuple[str, ...], *, rounds: int = 1, tagged: bool = False, history: int = 0
) -> TurnSpec:
    """A turn on models with short answers, so that a test can give the longest."""
    lines = tuple(HistoryMessage(seq, "user", f"Earlier {seq}. " * 9) for seq in range(1, history + 1))
    if mode == "orchestrator":
        spec = council_spec(*keys, addressed=keys if tagged else ())
    else:
        spec = turn_spec(*(keys[:1] if mode == "direct" else keys), mode=mode)
    roster = tuple(agent_spec(agent.key, model=SMALL) for agent in spec.roster)
    return replace(
        spec,
        roster=roster,
        history=lines,
        manager=spec.manager and SMALL,
        limits=Limits(max_rounds=rounds, manager_max_tokens=CAP),
    )


def first_of(spec: TurnSpec) -> CallSize | None:
    return first_call(expected_calls(spec, at_most(spec)))


def weight(size: CallSize) -> int:
    return size.input_tokens + 10 * size.output_tokens


def total(calls: list[ExpectedCalls]) -> int:
    return sum(
        sum(sorted((weight(size) for size in asked.options), reverse=True)[: asked.count]) for asked in calls
    )


def talkative(request: ModelRequest) -> list[ModelEvent]:
    """Answers of maximum length; the manager asks as many agents as it may, each time with a new instruction."""
    if request.purpose in ("route", "evaluate"):
        told = sum(len(message.text) for message in request.messages)
        chosen = [{"agent_key": key, "instruction": f"{key} {told}"} for key in KEYS[:3]]
        return answer(json.dumps({"action": "route", "selections": chosen, "reason": "More."}))
    return answer("word " * (CAP * BYTES_PER_TOKEN // 5))


async def requests_of(spec: TurnSpec) -> list[ModelRequest]:
    world = World(respond=talkative)
    await run_turn(spec, world.ports, world.control, RetryPolicy(retries=0))
    return world.requests


MODES = st.sampled_from(["direct", "manual", "roundtable", "orchestrator"])


@given(
    mode=MODES,
    count=st.integers(1, 4),
    rounds=st.integers(1, 3),
    tagged=st.booleans(),
    history=st.integers(0, 6),
    summarize=st.sampled_from([None, False, True]),
    calibration=st.sampled_from([0.25, 0.8, 1.0, 1.7, 4.0]),
)
@RELAXED
async def test_no_turn_is_more_than_the_most(
    mode: str, count: int, rounds: int, tagged: bool, history: int, summarize: bool | None, calibration: float
) -> None:
    spec = spec_of(mode, KEYS[:count], rounds=rounds, tagged=tagged, history=history)
    model = replace(SMALL, calibration=calibration)
    roster = tuple(replace(agent, model=model) for agent in spec.roster)
    spec = replace(spec, roster=roster, manager=spec.manager and model, summarizer=model)
    if summarize is not None:
        spec = replace(spec, summarize=SummaryPlan(through_seq=max(1, history - 1), first=summarize))
    requests = await requests_of(spec)
    spent = sum(most_input(request) + 10 * request.max_output_tokens for request in requests)
    most, usual, least = (
        total(expected_calls(spec, assumption))
        for assumption in (at_most(spec), as_usual(spec, output_tokens=20), AT_LEAST)
    )
    assert spent <= most
    assert least <= usual <= most


@pytest.mark.parametrize("mode", ["direct", "manual", "roundtable", "orchestrator"])
async def test_the_first_call_is_the_one_that_is_sent_first(mode: str) -> None:
    spec = spec_of(mode, KEYS, history=3)
    first = first_of(spec)
    assert first is not None
    sent = (await requests_of(spec))[0]
    assert (first.purpose, first.input_tokens, first.output_tokens) == (
        sent.purpose,
        most_input(sent),
        sent.max_output_tokens,
    )


async def test_a_summary_that_must_come_first_is_the_first_call() -> None:
    plan = SummaryPlan(through_seq=3, first=True)
    spec = replace(spec_of("manual", KEYS, history=4), summarize=plan, summarizer=SMALL)
    first = first_of(spec)
    assert first is not None
    assert first.purpose == "summarize"
    beside = first_of(replace(spec, summarize=replace(plan, first=False)))
    assert beside is not None
    assert beside.purpose == "reply"


def test_carried_answers_are_not_asked_again() -> None:
    carried = (CarriedAnswer("m", "ana", "Kept.", 1, "small"),)
    manual = replace(spec_of("manual", KEYS[:2]), carried=carried)
    assert [asked.count for asked in expected_calls(manual, at_most(manual))] == [1]
    alone = replace(spec_of("manual", KEYS[:1]), carried=carried)
    assert expected_calls(alone, at_most(alone)) == []
    assert first_of(alone) is None


def test_the_most_expensive_candidates_are_counted_once_each() -> None:
    dear = replace(SMALL, alias="dear", max_output_tokens=500)
    agents: list[AgentSpec] = [agent_spec(key, model=dear if key == "cy" else SMALL) for key in KEYS]
    spec = replace(spec_of("orchestrator", KEYS), roster=tuple(agents))
    (chosen,) = (asked for asked in expected_calls(spec, at_most(spec)) if len(asked.options) > 1)
    assert chosen.count == 3
    assert sorted(size.output_tokens for size in chosen.options) == [CAP, CAP, CAP, 500]


def test_the_bounds_of_a_conversation_are_counted_once_for_all_prompts() -> None:
    """Twenty agents in three rounds read the same conversation some sixty times."""
    keys = tuple(f"agent{number}" for number in range(20))
    spec = spec_of("orchestrator", keys, rounds=3, history=50)
    bounds._known.clear()
    calls = expected_calls(spec, at_most(spec))
    assert sum(len(each.options) for each in calls) > 3 * len(keys)
    prompts = len(keys) + 3 * 2  # of the agents, and of the manager for each purpose, with its question
    assert len(bounds._known) <= len(spec.history) + 2 * prompts
