"""How the engine talks to the world. The bridge gives the real things in; tests give queues."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from orchestration.engine.events import EngineEvent
from orchestration.engine.specs import AgentSpec, ModelRequest, Usage, UsageReport

# --- What a model stream says. Any number of Opened, PartialUsage and deltas, then exactly one Completed or Failed. ---


@dataclass(frozen=True, slots=True)
class Opened:
    """The provider has begun to answer."""

    provider_request_id: str = ""
    model_served: str = ""


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    text: str


@dataclass(frozen=True, slots=True)
class PartialUsage:
    """The provider's figure so far; what a cut or cancelled call is estimated from."""

    usage: Usage
    raw: dict[str, object]


@dataclass(frozen=True, slots=True)
class Completed:
    """The answer is whole."""

    report: UsageReport
    finish_reason: str
    """`stop`, `length` or `content_filter`."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The call failed. `code` is `provider_error`, `provider_unavailable` or `provider_timeout`."""

    code: str
    message: str
    """A sentence for the user; never the provider's own text."""
    retryable: bool
    may_have_cost: bool
    """The request may have been worked on: bill an estimate unless `report` says more. False after an HTTP error."""
    retry_after_s: float | None = None
    report: UsageReport | None = None
    """The provider's own final figure, where it came before the failure."""


ModelEvent = Opened | TextDelta | ReasoningDelta | PartialUsage | Completed | Failed


class Models(Protocol):
    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Call a model. Never raises for what a provider does; closing the generator aborts the call upstream."""
        ...


# --- The journal: every call is durable before and after it is made. ---


@dataclass(frozen=True, slots=True)
class CallIntent:
    """A call that is about to be sent."""

    call_id: str
    step_id: str
    slot: str
    """The step's place in the turn, the same whenever the turn is run: what a resumed turn looks calls up by."""
    attempt: int
    request: ModelRequest
    agent: AgentSpec | None
    round: int
    context: dict[str, int]


@dataclass(frozen=True, slots=True)
class CallError:
    """Why a call or a step failed; `message` is for the user."""

    code: str
    message: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class Uncounted:
    """What is known of a call's usage without the provider's final figure."""

    most_seen: int
    """Upper bound of the tokens of all text that arrived, reasoning and withheld text included."""
    unseen_ms: int
    """How long the model may have worked without showing it."""
    shows_reasoning: bool = False
    input_counted: bool = False
    """The provider counted the input before the call was cut."""
    output_counted: bool = False
    """The provider counted some output before the call was cut."""
    is_whole: bool = False
    """The answer is complete: the provider does not report usage."""


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How a call ended and what it used."""

    call_id: str
    status: Literal["ok", "failed", "cancelled"]
    text: str
    report: UsageReport
    error: CallError | None = None
    final: bool = True
    """No further attempt follows: this decides the step."""
    model_served: str = ""
    provider_request_id: str = ""
    finish_reason: str = ""
    latency_ms: int = 0
    first_token_ms: int | None = None
    uncounted: Uncounted | None = None
    """None if the provider gave its final figure, or no model worked on the call."""


@dataclass(frozen=True, slots=True)
class PastCall:
    """A call of an earlier claim on this turn, as the journal kept it."""

    step_id: str
    attempt: int
    status: Literal["ok", "failed", "cancelled", "interrupted"]
    text: str
    error: CallError | None
    final: bool


class Journal(Protocol):
    def past(self, slot: str) -> PastCall | None:
        """Return the newest call that an earlier claim made for this slot."""
        ...

    async def start(self, intent: CallIntent) -> None:
        """Make the intent durable. Raises where this runner no longer holds the turn."""
        ...

    async def finish(self, outcome: CallOutcome) -> None:
        """Make the outcome durable. Raises where this runner no longer holds the turn."""
        ...

    def received(self, call_id: str, size: int) -> None:
        """Note how many bytes (UTF-8) have arrived so far, for the bill of a killed worker."""
        ...


class Events(Protocol):
    def emit(self, event: EngineEvent) -> None:
        """Pass an event on; never blocks and never fails."""
        ...


class Funds(Protocol):
    """What a turn may still spend."""

    def reserve(self, call_id: str, request: ModelRequest, *, input_bound: int) -> bool:
        """Set aside the most that a call can cost, until the journal has its outcome; False if that is not left.

        `input_bound`: the most input tokens that it can have.
        """
        ...


class Unlimited:
    """The funds of a turn that no budget bounds."""

    def reserve(self, call_id: str, request: ModelRequest, *, input_bound: int) -> bool:
        return True


class Clock(Protocol):
    def monotonic_s(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...

    def jitter(self) -> float:
        """Return a number in [0, 1) that spreads retries."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything that the engine reaches the world through."""

    models: Models
    journal: Journal
    events: Events
    clock: Clock
    funds: Funds = field(default_factory=Unlimited)
