"""The state of one call's response: its text, its usage, and the outcome when it ends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from orchestration.engine.bounds import most_tokens
from orchestration.engine.guard import SpeakerGuard
from orchestration.engine.output_limits import used_up
from orchestration.engine.overflows import CODE as OVERFLOW
from orchestration.engine.overflows import overflow_error, overflow_of
from orchestration.engine.ports import (
    CallError,
    CallOutcome,
    Completed,
    Failed,
    Opened,
    PartialUsage,
    Uncounted,
)
from orchestration.engine.specs import AgentSpec, ModelRequest, Usage, UsageReport
from orchestration.engine.thoughts import ThoughtSplitter, split_thoughts, with_thoughts
from orchestration.engine.tokens import estimate_input, estimate_report, least_input_tokens, utf8_bytes

GUARDED = "guarded"
"""Finish reason of an answer that the identity guard cut."""

LULL_S = 0.5
"""Pauses up to this are normal in a stream. In a longer one the model may be reasoning unseen."""

CUT_TOKENS = 500
"""A provider that reads less than was sent by more than this, in tokens, is assumed to cut its input."""
INPUT_CUT = "input_cut"
"""Flag of a call whose server has read far less than was sent."""
CONTEXT_LIMIT = "context_limit"
"""Flag of a request that was refused as too long, followed by the model's limit: `context_limit:8192`."""

READ_ON_CHARS = 8_000
"""A cut answer is read on, and kept, up to this length: the provider's own count at its end is better than an
estimate."""

NO_USAGE = UsageReport(usage=Usage(), source="none")
EMPTY = CallError("provider_error", "The model returned an empty answer.", retryable=False)


@dataclass(slots=True)
class CallState:
    """What has arrived of one attempt so far."""

    request: ModelRequest
    agent: AgentSpec | None
    guard: SpeakerGuard
    thoughts: ThoughtSplitter
    began_s: float
    raw: list[str] = field(default_factory=list)
    """All text and reasoning as it arrived: what is billed."""
    bytes: int = 0
    """The size of `raw` in UTF-8 bytes."""
    text: list[str] = field(default_factory=list)
    """The answer: without thoughts, and without what the guard holds back."""
    reasoning: list[str] = field(default_factory=list)
    sent: bool = False
    opened: Opened = field(default_factory=Opened)
    partial: PartialUsage | None = None
    first_token_s: float | None = None
    last_s: float = 0.0
    """When the last text arrived."""
    unseen_s: float = 0.0
    """Time in which the model may have worked without output, up to the last text."""
    end: Completed | Failed | None = None
    """None: not yet, or the user cancelled the call."""

    @property
    def has_text(self) -> bool:
        """Whether any text has arrived that a reader may have seen."""
        return bool(self.text or self.reasoning)

    def arrive(self, text: str, now_s: float) -> None:
        """Record that text arrives: the time before it may have been unseen work."""
        self.raw.append(text)
        self.bytes += utf8_bytes(text)
        self.unseen_s += self.unseen_until(now_s)
        self.last_s = now_s
        if self.first_token_s is None:
            self.first_token_s = now_s

    def unseen_until(self, now_s: float) -> float:
        """Return how much of the time since the last text may have been unseen work; all of it before the first."""
        if self.first_token_s is None:
            return now_s - self.began_s
        return max(0.0, now_s - self.last_s - LULL_S)

    def all_text(self) -> str:
        return "".join(self.raw)

    def estimate(self) -> UsageReport:
        """Return the estimated usage: the provider's partial count, else our estimate, and all text received."""
        if self.partial is None:
            return estimate_report(self.request, None, None, self.all_text())
        return estimate_report(self.request, self.partial.usage, self.partial.raw, self.all_text())

    def uncounted_usage(self, ended_s: float, report: UsageReport) -> Uncounted:
        """Return what is known about the usage if the provider has not given its final count."""
        counted = self.partial.usage if self.partial else Usage()
        is_whole = isinstance(self.end, Completed) and not self.guard.tripped
        if is_whole:
            counted = report.usage if report.raw else counted
        return Uncounted(
            most_seen=most_tokens(self.all_text()),
            unseen_ms=0 if is_whole else round((self.unseen_s + self.unseen_until(ended_s)) * 1000),
            shows_reasoning=bool(self.reasoning),
            input_counted=bool(counted.total_input),
            output_counted=bool(counted.output),
            is_whole=is_whole,
        )

    def is_input_cut(self, report: UsageReport) -> bool:
        """Return whether the provider read far less than was sent; small requests are not judged.

        Or as much as of shorter and longer requests before: even a small cut is certain then.
        """
        if report.source != "provider":
            return False
        least, counted = least_input_tokens(self.request), report.usage.total_input
        if counted == self.request.model.read_most and counted < estimate_input(self.request):
            return True
        return counted < min(0.8 * least, least - CUT_TOKENS)

    def has_no_answer(self, *, is_shown: bool) -> bool:
        """Whether all that arrived is reasoning; an object in it is an answer, if the answer is to be parsed."""
        if is_shown:
            return not "".join(self.text).strip()
        answer, _ = split_thoughts("".join(self.text))
        return not answer.strip() and "{" not in "".join(self.raw)

    def outcome(self, call_id: str, *, ended_s: float, final: bool, is_shown: bool) -> CallOutcome:
        """Return the outcome of the attempt: status, error, and the best available usage.

        `is_shown`: an empty answer is a failure. Answers that are only parsed may be empty; their parsers handle it,
        and they get the thoughts too, since a model may put the object there.
        """
        text = "".join(self.text) if is_shown else with_thoughts("".join(self.text), "".join(self.reasoning))
        status: Literal["ok", "failed", "cancelled"] = "failed"
        error = None
        match self.end:
            case None:
                status, report = "cancelled", self.estimate() if self.sent else NO_USAGE
            case Completed(report):
                if report.source == "estimated":
                    report = complete_report(report, self.estimate())
                if self.end.finish_reason == "length" and self.has_no_answer(is_shown=is_shown):
                    tokens = report.usage.output or self.request.max_output_tokens
                    error = used_up(tokens, self.request, self.agent)
                elif is_shown and not text.strip():
                    error = EMPTY
                else:
                    status = "ok"
            case Failed() as end:
                error = CallError(end.code, end.message, end.retryable)
                if final and end.code == OVERFLOW:
                    error = overflow_error(end, self.request, self.agent)
                report = end.report or (self.estimate() if end.may_have_cost else NO_USAGE)
        overflow = overflow_of(self.end, self.request) if isinstance(self.end, Failed) else None
        if input_cut := status == "ok" and self.is_input_cut(report):
            report = replace(report, flags=(*report.flags, INPUT_CUT))
        if overflow is not None and overflow.limit is not None:
            report = replace(report, flags=(*report.flags, f"{CONTEXT_LIMIT}:{overflow.limit}"))
        first_s = self.first_token_s
        return CallOutcome(
            call_id=call_id,
            status=status,
            text=text,
            report=report,
            error=error,
            final=final,
            model_served=self.opened.model_served,
            provider_request_id=self.opened.provider_request_id,
            reasoning_effort=self.opened.reasoning_effort,
            images_unseen=self.opened.images_unseen,
            finish_reason=self.end.finish_reason if isinstance(self.end, Completed) else "",
            latency_ms=round((ended_s - self.began_s) * 1000),
            first_token_ms=None if first_s is None else round((first_s - self.began_s) * 1000),
            uncounted=self.uncounted_usage(ended_s, report) if report.source == "estimated" else None,
            input_cut=input_cut,
            overflow=overflow,
            cut_for=self.guard.cut_for,
            cut_text=self.guard.withheld[:READ_ON_CHARS] if self.guard.tripped else "",
            opened_in_thought=self.thoughts.rewound if is_shown and status == "ok" else None,
            provider_text=self.end.provider_text if isinstance(self.end, Failed) else "",
        )


def complete_report(report: UsageReport, estimate: UsageReport) -> UsageReport:
    """Return the provider's incomplete report with our estimate of the missing parts."""
    usage, own = report.usage, estimate.usage
    filled = replace(
        usage, input=usage.input if usage.total_input else own.input, output=usage.output or own.output
    )
    return UsageReport(filled, "estimated", report.raw, report.flags, report.provider_cost_usd)
