"""How the engine talks to the world. The bridge gives the real things in; tests give queues."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from orchestration.engine.specs import ModelRequest, Usage, UsageReport

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


class Clock(Protocol):
    def monotonic_s(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...

    def jitter(self) -> float:
        """Return a number in [0, 1) that spreads retries."""
        ...
