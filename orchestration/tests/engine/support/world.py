"""A test double for the engine's ports: scripted models, a journal in a list, a clock without waiting."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, settings

from orchestration.engine.control import Control
from orchestration.engine.events import EngineEvent, StepCompleted, StepDelta, StepFailed, StepStarted
from orchestration.engine.modes import MODES
from orchestration.engine.ports import (
    CallIntent,
    CallOutcome,
    Completed,
    Failed,
    ModelEvent,
    PastCall,
    Ports,
    TextDelta,
)
from orchestration.engine.specs import (
    AgentSpec,
    HistoryMessage,
    ModelRequest,
    ModelSpec,
    TurnSpec,
    Usage,
    UsageReport,
)

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For properties: a busy machine must not fail them."""

USAGE = UsageReport(usage=Usage(input=10, output=5), source="provider", raw={"prompt_tokens": 10})


def model_spec(
    alias: str = "m", *, window: int = 32_768, max_output: int = 2_048, temperature: bool = True
) -> ModelSpec:
    return ModelSpec("", alias, alias, "p", "openai", "", "", "", window, max_output, True, temperature)


def agent_spec(key: str, **fields: object) -> AgentSpec:
    defaults: dict[str, object] = {
        "id": f"id-{key}",
        "key": key,
        "name": key.title(),
        "role_prompt": f"You are {key}.",
    }
    return AgentSpec(**{**defaults, "model": model_spec(), **fields})  # type: ignore[arg-type]


def turn_spec(
    *keys: str, message: str = "Hello", mode: str = "manual", history: Sequence[HistoryMessage] = ()
) -> TurnSpec:
    roster = tuple(agent_spec(key) for key in keys)
    return TurnSpec(
        "t",
        "s",
        1,
        MODES[mode],
        message,
        roster,
        keys,
        room_name="Board",
        goal="Decide.",
        history=tuple(history),
    )


def council_spec(*keys: str, addressed: Sequence[str] = (), **fields: object) -> TurnSpec:
    """Return a turn in orchestrator mode; `fields` are TurnSpec's."""
    spec = turn_spec(*keys, mode="orchestrator")
    return replace(spec, addressed=tuple(addressed), manager=model_spec("boss"), **fields)  # type: ignore[arg-type]


def ask(**instructions: str) -> list[ModelEvent]:
    """The manager's decision to ask agents, `key=instruction`."""
    selections = [{"agent_key": key, "instruction": text} for key, text in instructions.items()]
    return answer(json.dumps({"action": "route", "selections": selections, "reason": "They know."}))


def done() -> list[ModelEvent]:
    """The manager's decision to synthesize."""
    return answer(json.dumps({"action": "synthesize", "selections": [], "reason": "Enough."}))


def refused() -> list[ModelEvent]:
    """A failure that a retry cannot fix."""
    return [Failed("provider_error", "No.", retryable=False, may_have_cost=False)]


def answer(*pieces: str) -> list[ModelEvent]:
    return [*(TextDelta(piece) for piece in pieces), Completed(USAGE, "stop")]


def unavailable(**fields: object) -> list[ModelEvent]:
    defaults: dict[str, object] = {"retryable": True, "may_have_cost": False}
    return [Failed("provider_unavailable", "Busy.", **{**defaults, **fields})]  # type: ignore[arg-type]


class Block:
    """In a script: wait here until `release` is set."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.release = asyncio.Event()


@dataclass
class World:
    """Ports that a test scripts and inspects."""

    scripts: dict[str, deque[Sequence[ModelEvent | Block]]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    respond: Callable[[ModelRequest], Sequence[ModelEvent | Block]] | None = None
    """Answers calls without a script."""
    requests: list[ModelRequest] = field(default_factory=list)
    journal: list[CallIntent | CallOutcome] = field(default_factory=list)
    """Every write, in order."""
    events: list[EngineEvent] = field(default_factory=list)
    pasts: dict[str, PastCall] = field(default_factory=dict)
    slept: list[float] = field(default_factory=list)
    bytes: dict[str, int] = field(default_factory=dict)
    rewound: list[str] = field(default_factory=list)
    """Steps whose text turned out to be reasoning."""
    closed: int = 0
    control: Control = field(default_factory=Control)
    cancel_after: int | None = None
    """Cancel after this number of calls has ended."""
    completed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once any step has completed."""

    def script(self, speaker: str, *answers: Sequence[ModelEvent | Block]) -> None:
        self.scripts[speaker].extend(answers)

    @property
    def ports(self) -> Ports:
        return Ports(models=self, journal=self, events=self, clock=self)

    def told(self, speaker: str, purpose: str = "reply") -> list[str]:
        """Return a speaker's full input, one text per call."""
        return [
            "\n".join([request.system, *(message.text for message in request.messages)])
            for request in self.requests
            if (request.speaker_name, request.purpose) == (speaker, purpose)
        ]

    @property
    def intents(self) -> list[CallIntent]:
        return [write for write in self.journal if isinstance(write, CallIntent)]

    @property
    def outcomes(self) -> list[CallOutcome]:
        return [write for write in self.journal if isinstance(write, CallOutcome)]

    def slots(self) -> list[str]:
        return [intent.slot for intent in self.intents]

    def check_books(self) -> None:
        """Check that each started call has one outcome, each step ends once, and its deltas concatenate to its text."""
        started = [intent.call_id for intent in self.intents]
        assert sorted(started) == sorted(outcome.call_id for outcome in self.outcomes)
        assert len(set(started)) == len(started)
        assert len(self.requests) <= len(self.intents)
        begun = [event.step_id for event in self.events if isinstance(event, StepStarted)]
        ended = [event.step_id for event in self.events if isinstance(event, StepCompleted | StepFailed)]
        assert len(set(begun)) == len(begun)
        assert len(set(ended)) == len(ended)
        if not self.control.cancelled:
            assert sorted(begun) == sorted(ended)
        for event in self.events:
            if isinstance(event, StepCompleted):
                deltas = [
                    delta.text
                    for delta in self.events
                    if isinstance(delta, StepDelta) and (delta.step_id, delta.kind) == (event.step_id, "text")
                ]
                assert "".join(deltas) == event.text

    def after_a_crash(self, writes: int) -> dict[str, PastCall]:
        """Return the past calls for the next claim if the worker died after this number of journal writes."""
        found: dict[str, PastCall] = {}
        intents: dict[str, CallIntent] = {}
        for write in self.journal[:writes]:
            if isinstance(write, CallIntent):
                intents[write.call_id] = write
                earlier = found.get(write.slot)
                found[write.slot] = PastCall(
                    write.step_id,
                    write.attempt,
                    "interrupted",
                    "",
                    None,
                    True,
                    overflow=earlier.overflow if earlier else None,
                )
            else:
                intent = intents[write.call_id]
                found[intent.slot] = PastCall(
                    intent.step_id,
                    intent.attempt,
                    write.status,
                    write.text,
                    write.error,
                    write.final,
                    write.finish_reason,
                    write.overflow or found[intent.slot].overflow,
                )
        return found

    # Models
    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.requests.append(request)
        try:
            script = self.scripts[request.speaker_name]
            if script or self.respond is None:
                events = script.popleft()
            else:
                events = self.respond(request)
            for event in events:
                if isinstance(event, Block):
                    event.reached.set()
                    await event.release.wait()
                else:
                    yield event
        finally:
            self.closed += 1

    # Journal
    def past(self, slot: str) -> PastCall | None:
        return self.pasts.get(slot)

    async def start(self, intent: CallIntent) -> None:
        self.journal.append(intent)

    async def finish(self, outcome: CallOutcome) -> None:
        await asyncio.sleep(0)
        self.journal.append(outcome)
        if self.cancel_after == len(self.outcomes):
            self.control.cancel()

    def note_received(self, call_id: str, size: int) -> None:
        self.bytes[call_id] = size

    # Events
    async def rewind(self, step_id: str) -> None:
        self.rewound.append(step_id)
        self.events = [
            StepDelta(step_id, "reasoning", event.text)
            if isinstance(event, StepDelta) and event.step_id == step_id
            else event
            for event in self.events
        ]

    def emit(self, event: EngineEvent) -> None:
        self.events.append(event)
        if isinstance(event, StepCompleted):
            self.completed.set()

    # Clock
    def monotonic_s(self) -> float:
        return sum(self.slept)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    def jitter(self) -> float:
        return 0.0
