"""One step of a turn: ask one model, attempt by attempt, each attempt written down before and after it is made."""

from __future__ import annotations

import uuid
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

from orchestration.engine.control import Cancelled, Control
from orchestration.engine.events import StepCompleted, StepDelta, StepFailed, StepStarted
from orchestration.engine.guard import SpeakerGuard
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
from orchestration.engine.specs import AgentSpec, ModelRequest, Purpose, Usage, UsageReport
from orchestration.engine.tokens import estimate_report

GUARDED = "guarded"
"""The finish reason of an answer that the identity guard ended; its call is closed upstream and billed as estimated."""

EMPTY = (
    "The model returned an empty answer.",
    "The model answered for somebody else; nothing of it was kept.",
)
NO_USAGE = UsageReport(usage=Usage(), source="none")
EXHAUSTED = CallError(
    "internal_error", "The worker that ran this turn died several times; it was given up.", retryable=True
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed attempt is made again. Never after a token was published."""

    retries: int = 2
    base_s: float = 0.5
    max_wait_s: float = 30.0
    """A provider that asks for a longer pause than this is not waited for."""

    def wait_s(self, attempt: int, failed: Failed, jitter: float) -> float | None:
        """Return the pause before the next attempt, None for none: exponential with full jitter, Retry-After obeyed."""
        if not failed.retryable or attempt > self.retries:
            return None
        backoff = self.base_s * 2 ** (attempt - 1) * (0.5 + jitter / 2)
        wait = max(backoff, failed.retry_after_s or 0.0)
        return wait if wait <= self.max_wait_s else None


@dataclass(frozen=True, slots=True)
class StepPlan:
    """A step that is to be made."""

    slot: str
    purpose: Purpose
    agent: AgentSpec | None
    round: int
    request: ModelRequest
    context: dict[str, int]
    live: bool = True
    """Tell readers about it as it happens; routing and summaries stay silent."""
    others: tuple[str, ...] = ()
    """Names and keys of everybody else: where the answer begins to speak for one of them, it ends."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """What came of a step. `text` is what was said, also where the status is not `complete`."""

    step_id: str
    purpose: Purpose
    agent: AgentSpec | None
    round: int
    model: str
    """The alias of the model that answered."""
    status: Literal["complete", "failed", "cancelled"]
    text: str
    error: CallError | None = None


@dataclass(slots=True)
class Received:
    """What has arrived of one attempt so far."""

    guard: SpeakerGuard
    text: list[str] = field(default_factory=list)
    """What was let through."""
    withheld: str = ""
    """What the guard kept back; it was paid for all the same."""
    reasoning: list[str] = field(default_factory=list)
    chars: int = 0
    opened: Opened = field(default_factory=Opened)
    partial: PartialUsage | None = None
    first_token_s: float | None = None
    end: Completed | Failed | None = None

    def estimate(self, request: ModelRequest) -> UsageReport:
        received = "".join(self.text) + self.withheld + "".join(self.reasoning)
        if self.partial is None:
            return estimate_report(request, None, None, received)
        return estimate_report(request, self.partial.usage, self.partial.raw, received)


async def run_step(plan: StepPlan, ports: Ports, control: Control, retry: RetryPolicy) -> StepResult:
    """Make a step, or take it from the journal where an earlier claim made it."""
    past = ports.journal.past(plan.slot)
    if past is not None and past.final and past.status != "interrupted":
        return result_of_past(plan, past)
    fresh = past is None or past.status == "interrupted"
    step_id = str(uuid.uuid4()) if fresh or past is None else past.step_id
    attempt = 1 if fresh or past is None else past.attempt + 1
    if plan.live:
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
    while True:
        outcome, wait_s = await run_attempt(plan, step_id, attempt, ports, control, retry)
        if wait_s is None:
            return conclude(plan, step_id, outcome, ports)
        try:
            with control.interruptible():
                await ports.clock.sleep(wait_s)
        except Cancelled:
            return result_of(plan, step_id, "cancelled", "")
        attempt += 1


async def run_attempt(
    plan: StepPlan, step_id: str, attempt: int, ports: Ports, control: Control, retry: RetryPolicy
) -> tuple[CallOutcome, float | None]:
    """Make one call; return its outcome, already in the journal, and the pause before the next (None: no next)."""
    call_id = str(uuid.uuid4())
    if control.cancelled:
        return CallOutcome(call_id, "cancelled", "", NO_USAGE), None
    if control.exhausted:
        return CallOutcome(call_id, "failed", "", NO_USAGE, EXHAUSTED), None
    await ports.journal.start(
        CallIntent(call_id, step_id, plan.slot, attempt, plan.request, plan.agent, plan.round, plan.context)
    )
    began_s = ports.clock.monotonic_s()
    received = Received(SpeakerGuard(plan.others))
    try:
        with control.interruptible():
            await receive(plan, step_id, call_id, received, ports)
    except Cancelled:
        pass  # received.end stays None: the call was cut by the user
    wait_s = None
    if isinstance(received.end, Failed) and not received.text and not control.cancelled:
        wait_s = retry.wait_s(attempt, received.end, ports.clock.jitter())
    outcome = outcome_of(plan, call_id, received, began_s, ports.clock.monotonic_s(), final=wait_s is None)
    await ports.journal.finish(outcome)
    return outcome, wait_s


async def receive(plan: StepPlan, step_id: str, call_id: str, received: Received, ports: Ports) -> None:
    """Take the model's stream to its end, passing on what it says."""
    async with aclosing(ports.models.stream(plan.request)) as stream:
        async for event in stream:
            match event:
                case TextDelta(text) | ReasoningDelta(text):
                    received.chars += len(text)
                    if received.first_token_s is None:
                        received.first_token_s = ports.clock.monotonic_s()
                    ports.journal.received(call_id, received.chars)
                    if isinstance(event, ReasoningDelta):
                        received.reasoning.append(text)
                        tell(plan, step_id, "reasoning", text, ports)
                    else:
                        let_through(plan, step_id, text, received, ports)
                    if received.guard.tripped:
                        received.end = Completed(received.estimate(plan.request), GUARDED)
                        return
                case Opened():
                    received.opened = event
                case PartialUsage():
                    received.partial = event
                case Completed() | Failed():
                    received.end = event
    if held := received.guard.finish():
        received.text.append(held)
        tell(plan, step_id, "text", held, ports)
    if received.end is None:
        raise RuntimeError(f"the gateway of {plan.request.model.kind} ended without Completed or Failed")


def let_through(plan: StepPlan, step_id: str, text: str, received: Received, ports: Ports) -> None:
    """Pass on what the guard lets through; what it keeps back was paid for all the same."""
    published = received.guard.feed(text)
    if received.guard.tripped:
        received.withheld = text
    if published:
        received.text.append(published)
        tell(plan, step_id, "text", published, ports)


def tell(plan: StepPlan, step_id: str, kind: Literal["text", "reasoning"], text: str, ports: Ports) -> None:
    if plan.live:
        ports.events.emit(StepDelta(step_id, kind, text))


def outcome_of(
    plan: StepPlan, call_id: str, received: Received, began_s: float, ended_s: float, *, final: bool
) -> CallOutcome:
    """Return how an attempt ended: status, error, and the best figure there is for what it used."""
    text = "".join(received.text)
    status: Literal["ok", "failed", "cancelled"]
    error = None
    match received.end:
        case None:
            status, report = "cancelled", received.estimate(plan.request)
        case Completed() as end:
            status, report = "ok", end.report
            if report.source == "estimated":
                report = complete_report(report, received.estimate(plan.request))
            if not text.strip():
                status = "failed"
                error = CallError("provider_error", EMPTY[end.finish_reason == GUARDED], retryable=False)
        case Failed() as end:
            status = "failed"
            error = CallError(end.code, end.message, end.retryable)
            report = end.report or (received.estimate(plan.request) if end.may_have_cost else NO_USAGE)
    first = received.first_token_s
    return CallOutcome(
        call_id=call_id,
        status=status,
        text=text,
        report=report,
        error=error,
        final=final,
        model_served=received.opened.model_served,
        provider_request_id=received.opened.provider_request_id,
        finish_reason=received.end.finish_reason if isinstance(received.end, Completed) else "",
        latency_ms=round((ended_s - began_s) * 1000),
        first_token_ms=None if first is None else round((first - began_s) * 1000),
    )


def complete_report(report: UsageReport, estimate: UsageReport) -> UsageReport:
    """Return the provider's incomplete report with our estimate where it said nothing."""
    usage, own = report.usage, estimate.usage
    filled = Usage(
        usage.input if usage.total_input else own.input,
        usage.cache_read,
        usage.cache_write_5m,
        usage.cache_write_1h,
        usage.output or own.output,
        usage.reasoning,
    )
    return UsageReport(filled, "estimated", report.raw, report.flags, report.provider_cost_usd)


def conclude(plan: StepPlan, step_id: str, outcome: CallOutcome, ports: Ports) -> StepResult:
    """Turn the deciding attempt into the step's result, and tell readers."""
    if outcome.status == "ok":
        if plan.live:
            ports.events.emit(StepCompleted(step_id, outcome.call_id, outcome.text))
        return result_of(plan, step_id, "complete", outcome.text)
    if outcome.status == "cancelled":
        return result_of(plan, step_id, "cancelled", outcome.text)
    assert outcome.error is not None
    if plan.live:
        ports.events.emit(
            StepFailed(step_id, outcome.error.code, outcome.error.message, outcome.error.retryable)
        )
    return result_of(plan, step_id, "failed", outcome.text, outcome.error)


def result_of_past(plan: StepPlan, past: PastCall) -> StepResult:
    """Return the result that an earlier claim came to."""
    status: Literal["complete", "failed", "cancelled"] = (
        "complete" if past.status == "ok" else "cancelled" if past.status == "cancelled" else "failed"
    )
    return result_of(plan, past.step_id, status, past.text, past.error)


def result_of(
    plan: StepPlan,
    step_id: str,
    status: Literal["complete", "failed", "cancelled"],
    text: str,
    error: CallError | None = None,
) -> StepResult:
    model = plan.request.model.alias
    return StepResult(step_id, plan.purpose, plan.agent, plan.round, model, status, text, error)
