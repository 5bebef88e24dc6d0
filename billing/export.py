"""CSV: what the dashboard shows, and the events, streamed."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse

from accounts.instants import instant
from billing.fields import usd_text
from billing.figures import Listing
from billing.models import UsageEvent
from billing.ranges import DayRange
from billing.selectors.events import emails_of, event_chunks
from billing.selectors.filters import Filters
from billing.selectors.reports import Chargeback, Dashboard
from billing.selectors.sums import Sums

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")

SHOWN = (
    *("table", "id", "name", "cost_usd", "estimated_cost_usd", "orchestration_cost_usd", "unpriced_calls"),
    *("calls", "input_tokens", "cached_tokens", "output_tokens"),
)
PLAIN = (
    *("session_id", "turn_id", "agent_id", "agent_key", "mode", "purpose", "round", "attempt", "provider"),
    *("model_asked", "model_served", "provider_request_id", "input_tokens", "cache_read_tokens"),
    *(
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
        "output_tokens",
        "reasoning_tokens",
        "source",
        "status",
    ),
    *("latency_ms", "first_token_ms", "price_id", "corrects_id"),
)
EVENT = (
    *("id", "created_at", "cost_usd", "provider_cost_usd", "user_id", "user", "team_id", "team", "room_id"),
    *("room", "model", *PLAIN),
)


def cell(value: Any) -> Any:
    """Return a value as a spreadsheet may have it: text that would be run as a formula begins with an apostrophe."""
    if value is None or isinstance(value, int):
        return value
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text


class Amount(str):
    """A number that we wrote ourselves: a minus in front of it is no formula."""


def lines(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as CSV (RFC 4180)."""
    file = io.StringIO()
    csv.writer(file).writerows(
        [value if isinstance(value, Amount) else cell(value) for value in row] for row in rows
    )
    return file.getvalue()


def amount(pico: int | None) -> Amount | None:
    text = usd_text(pico)
    return None if text is None else Amount(text)


def shown_csv(report: Dashboard, listings: Sequence[Listing]) -> HttpResponse:
    """Return what the dashboard shows: figures, tables, and the chart's amounts."""
    days, projection = report.days, report.projection
    rows: list[Sequence[Any]] = [SHOWN]
    rows.append(shown("total", "", str(days), report.totals))
    rows.append(shown("range before", "", str(days.before()), report.before))
    rows.append(("projected month", "", str(projection.month), amount(projection.projected_pico)))
    for listing in listings:
        rows += [shown(listing.group, line.key, line.label, line.figures.sums) for line in listing.lines]
    for series in report.series:
        of_days = zip(days.days, series.costs, strict=True)
        rows += [("chart", str(day), series.label, amount(cost)) for day, cost in of_days if cost]
    return attachment(HttpResponse(lines(rows)), f"costs-{days.first}-{days.last}.csv")


def months_csv(found: Chargeback) -> HttpResponse:
    """Return what each team cost in each month."""
    rows: list[Sequence[Any]] = [("team_id", "team", *(f"{month.first:%Y-%m}" for month in found.months))]
    rows += [(team, label, *map(amount, costs)) for team, label, costs in found.rows]
    rows.append(("", "total", *map(amount, found.totals)))
    return attachment(HttpResponse(lines(rows)), f"teams-{found.months[0].first:%Y-%m}.csv")


def shown(table: str, key: str, name: str, sums: Sums) -> tuple[Any, ...]:
    return (
        *(table, key, name),
        *(
            amount(sums.priced_cost_pico),
            amount(sums.estimated_cost_pico),
            amount(sums.orchestration_cost_pico),
        ),
        *(sums.unpriced_calls, sums.calls, sums.total_input, sums.cache_read_tokens, sums.output_tokens),
    )


def events_csv(days: DayRange, filters: Filters) -> StreamingHttpResponse:
    """Return the events of a range, newest first, as they are read."""
    response = StreamingHttpResponse(stream(event_pieces(days, filters)))
    response["X-Accel-Buffering"] = "no"
    return attachment(response, f"usage-{days.first}-{days.last}.csv")


def event_pieces(days: DayRange, filters: Filters) -> Iterator[str]:
    header = lines([EVENT])
    for chunk in event_chunks(days, filters):
        emails = emails_of(chunk)
        yield header + lines(event_row(event, emails.get(event.user_id, "")) for event in chunk)
        header = ""
    if header:
        yield header


def event_row(event: UsageEvent, email: str) -> tuple[Any, ...]:
    return (
        *(event.pk, instant(event.created_at)),
        *(amount(event.cost_pico), amount(event.provider_cost_pico)),
        *(event.user_id, email, event.team_id, event.team_name, event.room_id, event.room_name),
        event.model.alias,
        *(getattr(event, name) for name in PLAIN),
    )


async def stream(pieces: Iterator[str]) -> AsyncIterator[str]:
    """Yield pieces that are read in the request's thread, which holds no connection in between."""
    done = object()

    def following() -> Any:
        try:
            return next(pieces, done)
        finally:
            if not connection.in_atomic_block:
                connection.close()

    while (piece := await sync_to_async(following)()) is not done:
        yield piece


def attachment(response: Any, name: str) -> Any:
    response["Content-Type"] = "text/csv; charset=utf-8"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response
