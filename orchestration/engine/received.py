"""What has arrived of one call: its text, its figures, and what they amount to when it ends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from orchestration.engine.guard import SpeakerGuard
from orchestration.engine.ports import CallError, CallOutcome, Completed, Failed, Opened, PartialUsage
from orchestration.engine.specs import ModelRequest, Usage, UsageReport
from orchestration.engine.tokens import estimate_report

GUARDED = "guarded"
"""The finish reason of an answer that the identity guard ended; its call is closed upstream and billed as estimated."""

NO_USAGE = UsageReport(usage=Usage(), source="none")
EMPTY = CallError("provider_error", "The model returned an empty answer.", retryable=False)
SPOKE_FOR_OTHERS = CallError(
    "provider_error", "The model answered for somebody else; nothing of it was kept.", retryable=False
)


@dataclass(slots=True)
class Received:
    """What has arrived of one attempt so far."""

    request: ModelRequest
    guard: SpeakerGuard
    began_s: float
    text: list[str] = field(default_factory=list)
    """What the guard let through. What it holds back was paid for all the same."""
    reasoning: list[str] = field(default_factory=list)
    bytes: int = 0
    """UTF-8, reasoning and what the guard holds back included."""
    sent: bool = False
    opened: Opened = field(default_factory=Opened)
    partial: PartialUsage | None = None
    first_token_s: float | None = None
    end: Completed | Failed | None = None
    """None: not yet, or the user cut the call."""

    @property
    def said(self) -> bool:
        """Whether anything came that a reader may have seen."""
        return bool(self.text or self.reasoning)

    def estimate(self) -> UsageReport:
        """Return the estimated usage: the provider's partial figure, else ours, and all the text that came."""
        received = "".join(self.text) + self.guard.withheld + "".join(self.reasoning)
        if self.partial is None:
            return estimate_report(self.request, None, None, received)
        return estimate_report(self.request, self.partial.usage, self.partial.raw, received)

    def outcome(self, call_id: str, *, ended_s: float, final: bool, must_speak: bool) -> CallOutcome:
        """Return how the attempt ended: status, error, and the best figure there is for what it used.

        `must_speak`: an empty answer is a failure. What is only parsed may be empty: its reader copes.
        """
        text = "".join(self.text)
        status: Literal["ok", "failed", "cancelled"] = "failed"
        error = None
        match self.end:
            case None:
                status, report = "cancelled", self.estimate() if self.sent else NO_USAGE
            case Completed(report):
                if report.source == "estimated":
                    report = complete_report(report, self.estimate())
                if must_speak and not text.strip():
                    error = SPOKE_FOR_OTHERS if self.guard.tripped else EMPTY
                else:
                    status = "ok"
            case Failed() as end:
                error = CallError(end.code, end.message, end.retryable)
                report = end.report or (self.estimate() if end.may_have_cost else NO_USAGE)
        first_s = self.first_token_s
        is_cut = report.source == "estimated" and (status != "ok" or self.guard.tripped)
        return CallOutcome(
            call_id=call_id,
            status=status,
            text=text,
            report=report,
            error=error,
            final=final,
            model_served=self.opened.model_served,
            provider_request_id=self.opened.provider_request_id,
            finish_reason=self.end.finish_reason if isinstance(self.end, Completed) else "",
            latency_ms=round((ended_s - self.began_s) * 1000),
            first_token_ms=None if first_s is None else round((first_s - self.began_s) * 1000),
            may_be_unseen=is_cut and not self.reasoning and not (self.partial and self.partial.usage.output),
        )


def complete_report(report: UsageReport, estimate: UsageReport) -> UsageReport:
    """Return the provider's incomplete report with our estimate where it said nothing."""
    usage, own = report.usage, estimate.usage
    filled = replace(
        usage, input=usage.input if usage.total_input else own.input, output=usage.output or own.output
    )
    return UsageReport(filled, "estimated", report.raw, report.flags, report.provider_cost_usd)
