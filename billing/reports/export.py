"""CSV files: the dashboard's figures, and the streamed events."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse

from billing.days import DayRange
from billing.fields import usd_text
from billing.models import UsageEvent
from billing.models.bucket_columns import TOKENS
from billing.reports.events import emails_of, event_chunks
from billing.reports.filters import Filters
from billing.reports.report import Chargeback, Dashboard
from billing.reports.tables import Figures, Listing, changes_of, figures_of, formula
from billing.texts.budget_text import BudgetLine
from web.rfc3339 import rfc3339

BOM = "\ufeff"
"""Begins files for people: without it, Excel reads UTF-8 as the system's old code page."""

NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?( ?%)?")

FORMULA = re.compile(
    # Start of a cell: also after a semicolon, tab or line break, for readers that do not split at commas.
    r"(?:\A|(?<=[;\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]))"
    # Characters that some spreadsheets strip first: blanks, quotes, control and zero-width characters.
    r"(?=[\s\"\x00-\x1f\x7f-\x9f\xad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]*"
    # Signs that start a formula, in every width, and the pipe of DDE; some readers include tab and CR.
    r"[=+\-@|\t\r\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20\uff5c])"
)
"""Positions in a text where a spreadsheet may start a formula."""

DASHBOARD_COLUMNS = (
    *("table", "id", "name", "cost_usd", "estimated_cost_usd", "orchestration_cost_usd", "unpriced_calls"),
    "corrected_cost_usd",
    *("calls", "input_tokens", "cached_tokens", "output_tokens"),
    *("fresh_input_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "reasoning_tokens"),
    *("cost_share", "cached_share", "orchestration_share", "cost_change", "calls_change", "tokens_change"),
    *("limit_usd", "used", "held_usd", "available_usd", "note"),
)
"""Columns of the dashboard's file. Cells that a row lacks are empty; `cost_usd` of a budget is its spending."""

PLAIN_FIELDS = (
    *("session_id", "turn_id", "agent_id", "agent_key", "mode", "purpose", "round", "attempt", "provider"),
    *("model_asked", "model_served", "provider_request_id", *TOKENS, "source", "status"),
    *("latency_ms", "first_token_ms", "price_id", "corrects_id"),
)
"""Fields of an event that are written unchanged."""

EVENT_COLUMNS = (
    *("id", "created_at", "cost_usd", "provider_cost_usd", "user_id", "user", "team_id", "team", "room_id"),
    *("room", "model", *PLAIN_FIELDS, "flags"),
)


class Amount(Decimal):
    """A Decimal that is written without an exponent; `csv` quotes everything but numbers."""

    def __str__(self) -> str:
        return f"{self:f}"


def cell(value: Any) -> Any:
    """Return a value safe for spreadsheets: an apostrophe precedes anything that could run as a formula."""
    if value is None or isinstance(value, int | Decimal):
        return value
    text = str(value)
    return text if NUMBER.fullmatch(text) else FORMULA.sub("'", text)


def lines(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as CSV (RFC 4180), with all texts quoted."""
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_NONNUMERIC).writerows([cell(value) for value in row] for row in rows)
    return file.getvalue()


def amount(pico: int | None) -> Amount | None:
    text = usd_text(pico)
    return None if text is None else Amount(text)


def dashboard_csv(
    report: Dashboard, listings: Sequence[Listing], budgets: Sequence[BudgetLine]
) -> HttpResponse:
    """Return the dashboard's figures, tables, budgets and chart amounts as CSV."""
    days, projection = report.days, report.projection
    totals, before = figures_of(report.totals), figures_of(report.before)
    rows = [
        {"table": "total", "name": days, **sums_cells(totals), **change_cells(report)},
        {"table": "range before", "name": days.before(), **sums_cells(before)},
        {
            "table": "projected month",
            "name": projection.month,
            "cost_usd": amount(projection.projected_pico),
            "note": formula(projection),
        },
    ]
    for listing in listings:
        rows += [
            {
                "table": listing.group,
                "id": line.key,
                "name": line.key if listing.group == "day" else line.label,
                "cost_share": line.percent,
            }
            | sums_cells(line.figures)
            for line in listing.lines
        ]
    rows += [budget_cells(line) for line in budgets]
    for series in report.series:
        of_days = zip(days.days, series.costs, strict=True)
        rows += [
            {"table": "chart", "id": day, "name": series.label, "cost_usd": amount(cost)}
            for day, cost in of_days
            if cost
        ]
    table = [DASHBOARD_COLUMNS, *(tuple(row.get(name, "") for name in DASHBOARD_COLUMNS) for row in rows)]
    return attachment(HttpResponse(BOM + lines(table)), f"costs-{days.first}-{days.last}.csv")


def months_csv(chargeback: Chargeback) -> HttpResponse:
    """Return each team's cost in each month as CSV."""
    rows: list[Sequence[Any]] = [
        ("team_id", "team", *(f"{month.first:%Y-%m}" for month in chargeback.months))
    ]
    rows += [(team, label, *map(amount, costs)) for team, label, costs in chargeback.rows]
    rows.append(("", "total", *map(amount, chargeback.totals)))
    return attachment(HttpResponse(BOM + lines(rows)), f"teams-{chargeback.months[0].first:%Y-%m}.csv")


def sums_cells(figures: Figures) -> dict[str, Any]:
    sums = figures.sums
    return {
        "cost_usd": amount(sums.priced_cost_pico),
        "estimated_cost_usd": amount(sums.estimated_cost_pico),
        "orchestration_cost_usd": amount(sums.orchestration_cost_pico),
        "corrected_cost_usd": amount(sums.corrected_cost_pico),
        "unpriced_calls": sums.unpriced_calls,
        "calls": sums.calls,
        "input_tokens": sums.total_input,
        "cached_tokens": sums.cache_read_tokens,
        "output_tokens": sums.output_tokens,
        "fresh_input_tokens": sums.input_tokens,
        "cache_write_5m_tokens": sums.cache_write_5m_tokens,
        "cache_write_1h_tokens": sums.cache_write_1h_tokens,
        "reasoning_tokens": sums.reasoning_tokens,
        "cached_share": figures.cached_percent,
        "orchestration_share": figures.orchestration_percent,
    }


def change_cells(report: Dashboard) -> dict[str, str]:
    """Return the changes from the range before, by column."""
    changes = changes_of(report.totals, report.before)
    return {f"{name}_change": change for name, change in changes.items()}


def budget_cells(line: BudgetLine) -> dict[str, Any]:
    fill = line.meter.fill
    kind = "hard" if line.budget.hard else "soft"
    return {
        "table": "budget",
        "id": line.budget.pk,
        "name": line.title,
        "cost_usd": amount(fill.spent_pico),
        "limit_usd": amount(line.budget.limit_pico),
        "used": line.meter.percent,
        "held_usd": amount(fill.held_pico),
        "available_usd": amount(fill.available_pico),
        "note": f"{kind}, {line.period}. Resets {rfc3339(fill.resets_at)}. {line.note}".strip(),
    }


def events_csv(days: DayRange, filters: Filters, *, start: str = "") -> StreamingHttpResponse:
    """Stream the events of a range as CSV, newest first. `start`: BOM, if a person opens the file."""
    response = StreamingHttpResponse(stream(event_pieces(days, filters, start)))
    response["X-Accel-Buffering"] = "no"
    return attachment(response, f"usage-{days.first}-{days.last}.csv")


def event_pieces(days: DayRange, filters: Filters, start: str) -> Iterator[str]:
    header = start + lines([EVENT_COLUMNS])
    for chunk in event_chunks(days, filters):
        emails = emails_of(chunk)
        yield header + lines(event_row(event, emails.get(event.user_id, "")) for event in chunk)
        header = ""
    if header:
        yield header


def event_row(event: UsageEvent, email: str) -> tuple[Any, ...]:
    return (
        *(event.pk, rfc3339(event.created_at)),
        *(amount(event.cost_pico), amount(event.provider_cost_pico)),
        *(event.user_id, email, event.team_id, event.team_name, event.room_id, event.room_name),
        event.model.alias,
        *(getattr(event, name) for name in PLAIN_FIELDS),
        " ".join(event.flags),
    )


async def stream(pieces: Iterator[str]) -> AsyncIterator[str]:
    """Yield pieces read in the request's thread, which releases its database connection in between."""
    done = object()

    def next_piece() -> Any:
        try:
            return next(pieces, done)
        finally:
            if not connection.in_atomic_block:
                connection.close()

    while (piece := await sync_to_async(next_piece)()) is not done:
        yield piece


def attachment(response: Any, name: str) -> Any:
    response["Content-Type"] = "text/csv; charset=utf-8"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response
