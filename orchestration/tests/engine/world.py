"""A world for the engine: models that answer from a script, a journal in a list, a clock that does not wait."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from orchestration.engine.control import Control
from orchestration.engine.events import EngineEvent, StepCompleted
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
        "t", "s", 1, mode, message, roster, keys, room_name="Board", goal="Decide.", history=tuple(history)
    )


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
    """Ports that a test scripts and reads."""

    scripts: dict[str, deque[Sequence[ModelEvent | Block]]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    requests: list[ModelRequest] = field(default_factory=list)
    intents: list[CallIntent] = field(default_factory=list)
    outcomes: list[CallOutcome] = field(default_factory=list)
    events: list[EngineEvent] = field(default_factory=list)
    pasts: dict[str, PastCall] = field(default_factory=dict)
    slept: list[float] = field(default_factory=list)
    chars: dict[str, int] = field(default_factory=dict)
    closed: int = 0
    control: Control = field(default_factory=Control)
    completed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once any step has completed."""

    def script(self, speaker: str, *answers: Sequence[ModelEvent | Block]) -> None:
        self.scripts[speaker].extend(answers)

    @property
    def ports(self) -> Ports:
        return Ports(models=self, journal=self, events=self, clock=self)

    # Models
    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.requests.append(request)
        try:
            for event in self.scripts[request.speaker_name].popleft():
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
        self.intents.append(intent)

    async def finish(self, outcome: CallOutcome) -> None:
        await asyncio.sleep(0)
        self.outcomes.append(outcome)

    def received(self, call_id: str, chars: int) -> None:
        self.chars[call_id] = chars

    # Events
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
