"""*Ledger audit* in the administration: the ledger's invariants, each checked and listed with its breaches."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from billing.admin.costs import CostsPage
from billing.days import PRESETS, DayRange, utc_today
from billing.models import UsageEvent
from billing.reports.query import parse_range
from sessions.selectors.ledger_audit import INVARIANTS
from sessions.selectors.ledger_findings import Finding, FindingPart, InvariantFindings, findings_for
from web.admin.links import address
from web.errors import PantheonError

ALL = "all"
RANGES = {ALL: "All days", **PRESETS}
MAX_FINDINGS = 100
"""Maximum findings shown per invariant."""

MAX_EVENTS = 100_000
"""Up to this many events the ledger is read without a confirmation: a second or two."""

PAGES = {
    "turn": "chat_sessions_turn",
    "hold": "chat_sessions_turn",
    "call": "chat_sessions_call",
    "event": "billing_usageevent",
    "message": "chat_sessions_message",
    "session": "chat_sessions_chatsession",
    "budget": "billing_budget",
}
"""Word for a row in a finding -> its page in the administration."""

DAYS = {"day": 1, "week": 7}
"""Kind of rollup -> number of days in *Costs*."""


@dataclass(frozen=True, slots=True)
class InvariantLine:
    """An invariant on the page. A finding is pieces of text, each with the URL of its link, or ""."""

    number: int
    text: str
    verdict: str
    findings: Sequence[Sequence[tuple[str, str]]]
    more: bool

    @property
    def broken(self) -> bool:
        return bool(self.findings)


class LedgerAuditPage(CostsPage):
    """Read-only, for users with the permission to see costs; the lines are those of `audit_ledger`."""

    title = "Ledger audit"

    def get(self, request: HttpRequest) -> HttpResponse:
        preset, days, wrong = parse_requested_range(request)
        run = "range" in request.GET or not is_large()
        results = (
            [findings_for(invariant, days=days, limit=MAX_FINDINGS) for invariant in INVARIANTS]
            if run
            else []
        )
        lines = [line_of(each) for each in results]
        return self.page(
            "admin/chat_sessions/ledger_audit.html",
            run=run,
            lines=lines,
            broken=sum(line.broken for line in lines),
            wrong=wrong,
            ranges=RANGES.items(),
            preset=preset,
            days=days,
        )


def parse_requested_range(request: HttpRequest) -> tuple[str, DayRange | None, str]:
    """Parse preset and days (None: all) from the query string; also return an error text for invalid values."""
    if request.GET.get("range", ALL) == ALL and not (request.GET.get("from") or request.GET.get("to")):
        return ALL, None, ""
    parameters = request.GET.dict()
    if parameters.get("range") == ALL:
        parameters["range"] = "custom"
    try:
        preset, days = parse_range(parameters, utc_today())
    except PantheonError as error:
        return ALL, None, f"{error.message} Showing all days."
    return preset, days, ""


def is_large() -> bool:
    """Return whether reading the whole ledger takes a while."""
    return UsageEvent.objects.order_by().values("pk")[: MAX_EVENTS + 1].count() > MAX_EVENTS


def line_of(result: InvariantFindings) -> InvariantLine:
    count = len(result.findings)
    if not count:
        verdict = "ok"
    else:
        verdict = f"{f'more than {count}' if result.more else count} finding{'' if count == 1 else 's'}"
    return InvariantLine(
        result.invariant.number,
        result.invariant.text,
        verdict,
        [links_of(finding) for finding in result.findings],
        result.more,
    )


def links_of(finding: Finding) -> list[tuple[str, str]]:
    return [(part.text, address_of(part)) for part in finding.parts]


def address_of(part: FindingPart) -> str:
    if part.kind in DAYS:
        first = dt.date.fromisoformat(part.text)
        last = first + dt.timedelta(days=DAYS[part.kind] - 1)
        return address("costs", {"range": "custom", "from": first, "to": last})
    return reverse(f"admin:{PAGES[part.kind]}_change", args=[part.text]) if part.kind else ""
