"""Findings of the ledger audit for a page: each line with the rows that it names, and its day.

The audit always reads the whole ledger, since an invariant about sums holds for all of it or not at all. A range of
days only selects the findings shown; a finding without a single day is shown in every range.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F
from django.db.models.functions import Coalesce

from billing.days import DayRange
from billing.models import Budget, UsageEvent
from sessions.models import Call, ChatSession, Message, Turn
from sessions.selectors.ledger_audit import Invariant

BATCH = 500
"""Number of lines whose rows are looked up together."""

ROW_REFERENCE = re.compile(r"(?P<word>[a-z]+)(?:_id=| )(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
DAY = re.compile(r"\bday=(?P<day>\d{4}-\d{2}-\d{2})")
WEEKLY = "cut=week:"
"""A rollup line with this text is dated with a Monday and stands for seven days."""

MOMENTS: Mapping[str, tuple[Any, Any]] = {
    "turn": (Turn, Coalesce("completed_at", "created_at")),
    "hold": (Turn, Coalesce("completed_at", "created_at")),
    "call": (Call, Coalesce("finished_at", "started_at")),
    "event": (UsageEvent, F("created_at")),
    "message": (Message, F("created_at")),
    "session": (ChatSession, None),
    "budget": (Budget, None),
}
"""Word for a row in a line -> its model, and the expression for its time.

Sessions and budgets span many days; a hold has the id of its turn.
"""

RowTimes = dict[tuple[str, uuid.UUID], dt.datetime | None]


@dataclass(frozen=True, slots=True)
class FindingPart:
    """A piece of a line: plain text, the id of an existing row, or the day of a rollup."""

    text: str
    kind: str = ""
    """A key of MOMENTS, `day` or `week`, "" for plain text."""


@dataclass(frozen=True, slots=True)
class Finding:
    parts: Sequence[FindingPart]
    day: dt.date | None
    """UTC; None if the line has no single day."""

    def __str__(self) -> str:
        """Return the line as `audit_ledger` prints it."""
        return "".join(part.text for part in self.parts)


@dataclass(frozen=True, slots=True)
class InvariantFindings:
    """One invariant with its breaches."""

    invariant: Invariant
    findings: Sequence[Finding]
    more: bool
    """There are more findings than requested."""


def findings_for(invariant: Invariant, *, days: DayRange | None, limit: int) -> InvariantFindings:
    """Run the audit of one invariant; return up to `limit` findings of these days (None: all)."""
    selected = (
        finding
        for finding in findings(invariant.breaches())
        if days is None or finding.day is None or finding.day in days
    )
    results = list(itertools.islice(selected, limit + 1))
    return InvariantFindings(invariant, results[:limit], len(results) > limit)


def findings(lines: Iterator[str]) -> Iterator[Finding]:
    while batch := list(itertools.islice(lines, BATCH)):
        rows = rows_named(batch)
        yield from (finding_of(line, rows) for line in batch)


def rows_named(lines: Sequence[str]) -> RowTimes:
    """Return the existing rows named in the lines, with the time of each."""
    wanted: dict[str, set[uuid.UUID]] = {}
    for line in lines:
        for match in ROW_REFERENCE.finditer(line):
            wanted.setdefault(match["word"], set()).add(uuid.UUID(match["id"]))
    rows: RowTimes = {}
    for kind, (model, moment) in MOMENTS.items():
        stored = model.objects.filter(pk__in=wanted.get(kind, ())).order_by()
        if moment is None:
            rows.update({(kind, pk): None for pk in stored.values_list("pk", flat=True)})
        else:
            rows.update({(kind, pk): at for pk, at in stored.values_list("pk", moment)})
    return rows


def finding_of(line: str, rows: RowTimes) -> Finding:
    days = [dt.date.fromisoformat(day) for day in DAY.findall(line)]
    span = "week" if WEEKLY in line else "day"
    places = [(match.span("day"), span) for match in DAY.finditer(line)]
    for match in ROW_REFERENCE.finditer(line):
        key = (match["word"], uuid.UUID(match["id"]))
        if key not in rows:
            continue
        places.append((match.span("id"), match["word"]))
        if (at := rows[key]) is not None:
            days.append(at.astimezone(dt.UTC).date())
    parts: list[FindingPart] = []
    position = 0
    for (start, end), kind in sorted(places):
        parts += [FindingPart(line[position:start]), FindingPart(line[start:end], kind)]
        position = end
    parts.append(FindingPart(line[position:]))
    return Finding([part for part in parts if part.text], days[0] if days else None)
