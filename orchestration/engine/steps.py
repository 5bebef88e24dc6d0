"""One step of a turn: call one model, with retries; each attempt is recorded before and after it is made."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal

from orchestration.engine.bounds import most_input
from orchestration.engine.call_state import GUARDED, NO_USAGE, READ_ON_CHARS, CallState
from orchestration.engine.contracts import fallback_reason
from orchestration.engine.control import Cancelled, Control
from orchestration.engine.events import StepCompleted, StepDelta, StepFailed, StepStarted
from orchestration.engine.guard import SpeakerGuard
from orchestration.engine.overflows import overflow_of, second_try
from orchestration.engine.ports import (
    CallError,
    CallIntent,
    CallOutcome,
    Completed,
    Failed,
    Opened,
    PartialUsage,
    PastCall,
    Ports,
    ReasoningDelta,
    TextDelta,
)
from orchestration.engine.purposes import Purpose
from orchestration.engine.specs import AgentSpec, ModelRequest
from orchestration.engine.thoughts import StreamPiece, ThoughtSplitter

EXHAUSTED = CallError(
    "internal_error", "Stopped: the worker that ran this turn failed several times.", retryable=True
)
BUDGET = CallError("budget_exceeded", "What is left of the budget cannot pay for this call.", retryable=False)

MOST_LEFT_OUT = 12
"""Attempts after which no further field is left out: more than a request has."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to retry a failed attempt. Never after a token was published."""

    retries: int = 2
    base_s: float = 0.5
    max_wait_s: float = 30.0
    """If a provider asks for a longer pause, there is no retry."""

    def wait_s(self, attempt: int, failed: Failed, jitter: float) -> float | None:
        """Return the pause before a retry: exponential with full jitter, at least Retry-After; None: no retry.

        A request without the field that the server refused is sent at once, whatever the number of retries.
        """
        if failed.without:
            return 0.0 if attempt <= MOST_LEFT_OUT else None
        if not failed.retryable or attempt > self.retries:
            return None
        backoff = self.base_s * 2 ** (attempt - 1) * (0.5 + jitter / 2)
        wait = max(backoff, failed.retry_after_s or 0.0)
        return wait if wait <= self.max_wait_s else None


@dataclass(frozen=True, slots=True)
class StepPlan:
    """A step to run."""

    slot: str
    purpose: Purpose
    agent: AgentSpec | None
    round: int
    request: ModelRequest
    context: dict[str, int]
    others: tuple[tuple[str, str], ...] = ()
    """Beginnings of lines and their speakers: an answer that goes on as one of them is cut."""
    is_usable: Callable[[str], bool] | None = None
    """Whether an answer has an object that fits its JSON contract; None: it has no contract."""
    shorten: Callable[[int], tuple[ModelRequest, dict[str, int]]] | None = None
    """Builds request and context again, within this many input tokens of our plain estimate."""
    is_second_try: bool = False
    """The server has refused a longer request."""


@dataclass(frozen=True, slots=True)
class Following:
    """The attempt after a failed one."""

    plan: StepPlan
    wait_s: float


@dataclass(frozen=True, slots=True)
class StepResult:
    """The result of a step. `text` is the answer so far, even if the status is not `complete`."""

    step_id: str
    purpose: Purpose
    agent: AgentSpec | None
    round: int
    model: str
    """The alias of the model that answered."""
    status: Literal["complete", "failed", "cancelled"]
    text: str
    error: CallError | None = None
    finish_reason: str = ""


async def run_step(plan: StepPlan, ports: Ports, control: Control, retry: RetryPolicy) -> StepResult:
    """Run a step, or return its result from the journal if an earlier claim has finished it."""
    past = ports.journal.past(plan.slot)
    if past is not None and past.final and past.status != "interrupted":
        return result_of_past(plan, past)
    fresh = past is None or past.status == "interrupted"
    step_id = str(uuid.uuid4()) if fresh or past is None else past.step_id
    attempt = 1 if fresh or past is None else past.attempt + 1
    if plan.purpose.shown:
        agent = plan.agent
        ports.events.emit(
            StepStarted(
                step_id,
                plan.purpose,
                agent.key if agent else None,
                agent.name if agent else None,
                plan.request.model.alias,
                plan.round,
            )
        )
    if past is not None and past.overflow is not None:
        plan = second_try(plan, past.overflow) or plan
    while True:
        outcome, following = await run_attempt(plan, step_id, attempt, ports, control, retry)
        if following is None:
            return conclude(plan, step_id, outcome, ports)
        try:
            with control.interruptible():
                await ports.clock.sleep(following.wait_s)
        except Cancelled:
            return result_of(plan, step_id, "cancelled", "")
        plan = following.plan
        attempt += 1


async def run_attempt(
    plan: StepPlan, step_id: str, attempt: int, ports: Ports, control: Control, retry: RetryPolicy
) -> tuple[CallOutcome, Following | None]:
    """Make one call; return its outcome, already in the journal, and the attempt that follows."""
    call_id = str(uuid.uuid4())
    if control.cancelled:
        return CallOutcome(call_id, "cancelled", "", NO_USAGE), None
    if control.exhausted:
        return CallOutcome(call_id, "failed", "", NO_USAGE, EXHAUSTED), None
    bound = most_input(plan.request)
    if not ports.funds.reserve(call_id, plan.request, input_bound=bound):
        return CallOutcome(call_id, "failed", "", NO_USAGE, BUDGET), None
    context = {**plan.context, "input_bound": bound, "output_bound": plan.request.max_output_tokens}
    await ports.journal.start(
        CallIntent(call_id, step_id, plan.slot, attempt, plan.request, plan.agent, plan.round, context)
    )
    state = CallState(
        plan.request,
        plan.agent,
        SpeakerGuard(plan.others),
        ThoughtSplitter(opens_in_thought=bool(plan.request.model.opens_in_thought)),
        began_s=ports.clock.monotonic_s(),
        opened=Opened(reasoning_effort=plan.request.reasoning_effort),
    )
    try:
        with control.interruptible():
            await receive(plan, step_id, call_id, state, ports)
    except Cancelled:
        pass  # state.end stays None: the user cancelled the call
    following = None
    published = plan.purpose.shown and state.has_text
    if isinstance(state.end, Failed) and not published and not control.cancelled:
        following = following_attempt(plan, attempt, state.end, ports, retry)
    outcome = state.outcome(
        call_id, ended_s=ports.clock.monotonic_s(), final=following is None, is_shown=plan.purpose.shown
    )
    if plan.is_usable is not None and following is None and outcome.status != "cancelled":
        usable = outcome.status == "ok" and plan.is_usable(outcome.text)
        outcome = replace(outcome, fallback_reason=None if usable else fallback_reason(outcome))
    await ports.journal.finish(outcome)
    return outcome, following


def following_attempt(
    plan: StepPlan, attempt: int, failed: Failed, ports: Ports, retry: RetryPolicy
) -> Following | None:
    """Return the attempt after a failed one: a shorter request after an overflow, else the same; None: no retry."""
    if (overflow := overflow_of(failed, plan.request)) is not None:
        shorter = second_try(plan, overflow)
        return None if shorter is None else Following(shorter, wait_s=0.0)
    wait_s = retry.wait_s(attempt, failed, ports.clock.jitter())
    return None if wait_s is None else Following(plan, wait_s)


async def receive(plan: StepPlan, step_id: str, call_id: str, state: CallState, ports: Ports) -> None:
    """Read the model's stream to its end and publish its text."""
    state.sent = True
    async with aclosing(ports.models.stream(plan.request)) as stream:
        async for event in stream:
            match event:
                case TextDelta(text) | ReasoningDelta(text):
                    state.arrive(text, ports.clock.monotonic_s())
                    ports.journal.note_received(call_id, state.bytes)
                    if isinstance(event, TextDelta):
                        await read_text(plan, step_id, text, state, ports)
                    else:
                        state.thoughts.skip_implicit_thought()
                        publish(plan, step_id, "reasoning", text, state, ports)
                    if state.guard.tripped and len(state.guard.withheld) > READ_ON_CHARS:
                        state.end = Completed(state.estimate(), GUARDED)
                        return
                case Opened():
                    state.opened = event
                case PartialUsage():
                    state.partial = event
                case Completed():
                    await publish_pieces(plan, step_id, state.thoughts.finish(), state, ports)
                    publish(plan, step_id, "text", state.guard.finish(), state, ports)
                    state.end = replace(event, finish_reason=GUARDED) if state.guard.tripped else event
                case Failed():
                    # The guard's held part of a cut line is not published, and a cut answer is complete already.
                    cut = Completed(event.report or state.estimate(), GUARDED)
                    state.end = cut if state.guard.tripped else event
    if state.end is None:
        raise RuntimeError(f"the gateway of {plan.request.model.kind} ended without Completed or Failed")


async def read_text(plan: StepPlan, step_id: str, text: str, state: CallState, ports: Ports) -> None:
    """Publish text; of an answer that readers see, thoughts as reasoning. Other answers are parsed as a whole."""
    if plan.purpose.shown:
        await publish_pieces(plan, step_id, state.thoughts.feed(text), state, ports)
    else:
        state.text.append(text)


async def publish_pieces(
    plan: StepPlan, step_id: str, pieces: Sequence[StreamPiece], state: CallState, ports: Ports
) -> None:
    for piece in pieces:
        if piece.kind == "text":
            publish(plan, step_id, "text", state.guard.feed(piece.text), state, ports)
        elif piece.kind == "reasoning":
            publish(plan, step_id, "reasoning", piece.text, state, ports)
        else:
            was_published = bool(state.text)
            state.reasoning += [*state.text, state.guard.withheld]
            state.text.clear()
            state.guard = SpeakerGuard(plan.others)
            if was_published:
                await ports.events.rewind(step_id)


def publish(
    plan: StepPlan,
    step_id: str,
    kind: Literal["text", "reasoning"],
    text: str,
    state: CallState,
    ports: Ports,
) -> None:
    """Record text, and emit it if the step is shown."""
    if not text:
        return
    (state.text if kind == "text" else state.reasoning).append(text)
    if plan.purpose.shown:
        ports.events.emit(StepDelta(step_id, kind, text))


def conclude(plan: StepPlan, step_id: str, outcome: CallOutcome, ports: Ports) -> StepResult:
    """Return the result of the last attempt, and emit the end of a shown step."""
    if outcome.status == "ok":
        if plan.purpose.shown:
            ports.events.emit(StepCompleted(step_id, outcome.call_id, outcome.text, outcome.cut_for))
        return result_of(plan, step_id, "complete", outcome.text, None, outcome.finish_reason)
    if outcome.status == "cancelled":
        return result_of(plan, step_id, "cancelled", outcome.text)
    assert outcome.error is not None
    if plan.purpose.shown:
        ports.events.emit(
            StepFailed(step_id, outcome.error.code, outcome.error.message, outcome.error.retryable)
        )
    return result_of(plan, step_id, "failed", outcome.text, outcome.error, outcome.finish_reason)


def result_of_past(plan: StepPlan, past: PastCall) -> StepResult:
    """Return the result of an earlier claim."""
    status: Literal["complete", "failed", "cancelled"] = (
        "complete" if past.status == "ok" else "cancelled" if past.status == "cancelled" else "failed"
    )
    return result_of(plan, past.step_id, status, past.text, past.error, past.finish_reason)


def result_of(
    plan: StepPlan,
    step_id: str,
    status: Literal["complete", "failed", "cancelled"],
    text: str,
    error: CallError | None = None,
    finish_reason: str = "",
) -> StepResult:
    model = plan.request.model.alias
    return StepResult(
        step_id, plan.purpose, plan.agent, plan.round, model, status, text, error, finish_reason
    )
