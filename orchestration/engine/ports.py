"""The engine's interfaces to the outside. The bridge implements them; tests use queues."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from orchestration.engine.events import EngineEvent
from orchestration.engine.specs import AgentSpec, ModelRequest, TurnSpec, Usage, UsageReport

# --- Events of a model stream: any number of Opened, PartialUsage and deltas, then exactly one Completed or Failed. ---


@dataclass(frozen=True, slots=True)
class Opened:
    """The provider has begun to answer."""

    provider_request_id: str = ""
    model_served: str = ""
    reasoning_effort: str = ""
    """The effort that was sent: refused ones are left out."""
    images_unseen: int = 0
    """Images that were not sent because the server refuses them."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    text: str


@dataclass(frozen=True, slots=True)
class PartialUsage:
    """The provider's usage so far; the basis of the estimate for a cut or cancelled call."""

    usage: Usage
    raw: dict[str, object]


@dataclass(frozen=True, slots=True)
class Completed:
    """The answer is complete."""

    report: UsageReport
    finish_reason: str
    """`stop`, `length` or `content_filter`."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The call failed.

    `code` is `provider_error`, `provider_unavailable`, `provider_timeout`, `content_filtered` or `context_overflow`.
    """

    code: str
    message: str
    """A sentence for the user; never the provider's own text."""
    retryable: bool
    may_have_cost: bool
    """The provider may have processed the request: bill an estimate without `report`. False after an HTTP error."""
    retry_after_s: float | None = None
    report: UsageReport | None = None
    """The provider's own final usage, if it arrived before the failure."""
    without: str = ""
    """A field of the request that the server refuses: the gateway leaves it out of the next attempt."""
    reason: str = ""
    """Why that field is refused: the HTTP status and the server's code."""
    is_guess: bool = False
    """The server named no field: `without` is the likeliest one."""
    limit_tokens: int | None = None
    """`context_overflow`: the model's limit as the provider gives it."""
    requested_tokens: int | None = None
    """`context_overflow`: the size of the request as the provider counts it, with the output limit if it counts it."""
    input_tokens: int | None = None
    """`context_overflow`: the input's share of `requested_tokens`."""
    output_limit_tokens: int | None = None
    """The model's largest output limit, if the request's is above it."""
    provider_text: str = ""
    """The provider's own text, for staff only: without keys and without quotations of the request."""


ModelEvent = Opened | TextDelta | ReasoningDelta | PartialUsage | Completed | Failed


class Models(Protocol):
    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Call a model. Never raises because of a provider; closing the generator aborts the call upstream."""
        ...


# --- The journal: every call is durable before and after it is made. ---


@dataclass(frozen=True, slots=True)
class CallIntent:
    """A call about to be sent."""

    call_id: str
    step_id: str
    slot: str
    """The step's place in the turn, the same in every run: a resumed turn looks up calls by it."""
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
    details: Mapping[str, Any] = field(default_factory=dict)
    """JSON-ready facts: for `context_overflow` the tokens that the request needs and the model accepts."""


@dataclass(frozen=True, slots=True)
class ContextOverflow:
    """A request that its server refused as too long. Tokens as the server counts them; None: not stated."""

    limit: int | None = None
    """The model's limit, output included."""
    input: int | None = None
    """The size of the input."""
    output_limit: int | None = None
    """The model's largest output limit, if only the request's output limit was too large."""


@dataclass(frozen=True, slots=True)
class Uncounted:
    """Facts about a call's usage without the provider's final count."""

    most_seen: int
    """Upper bound of the tokens of all text that arrived, including reasoning and withheld text."""
    unseen_ms: int
    """Time in which the model may have worked without output."""
    shows_reasoning: bool = False
    input_counted: bool = False
    """The provider counted the input before the call was cut."""
    output_counted: bool = False
    """The provider counted some output before the call was cut."""
    is_whole: bool = False
    """The answer is complete: the provider does not report usage."""


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """The end of a call and its usage."""

    call_id: str
    status: Literal["ok", "failed", "cancelled"]
    text: str
    report: UsageReport
    error: CallError | None = None
    final: bool = True
    """No further attempt follows: this one decides the step."""
    model_served: str = ""
    provider_request_id: str = ""
    reasoning_effort: str = ""
    """The effort that was sent; empty: none."""
    images_unseen: int = 0
    """Images that were not sent because the server refuses them."""
    finish_reason: str = ""
    latency_ms: int = 0
    first_token_ms: int | None = None
    uncounted: Uncounted | None = None
    """None if the provider gave its final count, or no model worked on the call."""
    input_cut: bool = False
    """The server read far less input than was sent: it cut the conversation silently."""
    overflow: ContextOverflow | None = None
    """The server refused the request as too long."""
    cut_for: str = ""
    """The name of the other speaker as whom the answer went on; it was cut there."""
    cut_text: str = ""
    """The text from there on, as far as it was read."""
    fallback_reason: str | None = None
    """Why no object in the answer fits its contract: a FallbackReason. None: one fits, or there is no contract."""
    opened_in_thought: bool | None = None
    """Whether the answer began with a thought that had only a closing tag; None: not known."""
    provider_text: str = ""
    """The provider's own text about a failure, for staff only."""


@dataclass(frozen=True, slots=True)
class PastCall:
    """A call of an earlier claim on this turn, from the journal."""

    step_id: str
    attempt: int
    status: Literal["ok", "failed", "cancelled", "interrupted"]
    text: str
    error: CallError | None
    final: bool
    finish_reason: str = ""
    overflow: ContextOverflow | None = None
    """An earlier call for this slot was refused as too long: the next one is shorter."""


class Journal(Protocol):
    def past(self, slot: str) -> PastCall | None:
        """Return the newest call of an earlier claim for this slot."""
        ...

    async def start(self, intent: CallIntent) -> None:
        """Make the intent durable. Raises if this runner no longer holds the turn."""
        ...

    async def finish(self, outcome: CallOutcome) -> None:
        """Make the outcome durable. Raises if this runner no longer holds the turn."""
        ...

    def note_received(self, call_id: str, size: int) -> None:
        """Record the UTF-8 bytes received so far, for billing if the worker is killed."""
        ...


class Events(Protocol):
    def emit(self, event: EngineEvent) -> None:
        """Pass an event on; never blocks and never fails."""
        ...

    async def rewind(self, step_id: str) -> None:
        """Publish that the step's text so far was reasoning: its text begins again, empty."""
        ...


class Funds(Protocol):
    """The remaining budget of a turn."""

    def reserve(self, call_id: str, request: ModelRequest, *, input_bound: int) -> bool:
        """Reserve the maximum cost of a call until the journal has its outcome; False if not enough is left.

        `input_bound`: the maximum number of its input tokens.
        """
        ...

    def covers(self, spec: TurnSpec) -> bool:
        """Return whether enough is left for every call that the turn may make."""
        ...


class Unlimited:
    """The funds of a turn without a budget."""

    def reserve(self, call_id: str, request: ModelRequest, *, input_bound: int) -> bool:
        return True

    def covers(self, spec: TurnSpec) -> bool:
        return True


class Clock(Protocol):
    def monotonic_s(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...

    def jitter(self) -> float:
        """Return a number in [0, 1) that spreads retries."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """All ports of the engine."""

    models: Models
    journal: Journal
    events: Events
    clock: Clock
    funds: Funds = field(default_factory=Unlimited)
