"""Reports as people read them: rows and figures with their amounts written out, for pages and files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from billing.fields import usd_text
from billing.money import Money, money
from billing.reports.filters import key_text
from billing.reports.report import Projection, Table, share
from billing.reports.sums import Sums
from billing.selectors.keys import Key

OTHERS = "others"
TITLES = {
    "day": "Day",
    "team": "Team",
    "user": "Person",
    "model": "Model",
    "provider": "Provider",
    "room": "Room",
    "agent": "Agent",
    "mode": "Mode",
    "purpose": "Purpose",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums with everything that is derived from them."""

    sums: Sums
    cost: Money
    estimated: Money
    orchestration: Money
    cached_percent: str
    orchestration_percent: str


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table, with where its name and its calls lead to."""

    key: str
    label: str
    figures: Figures
    percent: str
    narrow: str = ""
    events: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    group: str
    title: str
    lines: Sequence[Line]
    more: str = ""


def figures_of(sums: Sums) -> Figures:
    return Figures(
        sums=sums,
        cost=money(sums.priced_cost_pico),
        estimated=money(sums.estimated_cost_pico),
        orchestration=money(sums.orchestration_cost_pico),
        cached_percent=percent(sums.cache_read_tokens, sums.total_input),
        orchestration_percent=percent(sums.orchestration_cost_pico, sums.cost_pico),
    )


def listing_of(
    table: Table, totals: Sums, *, narrow: Callable[[Key], str], events: Callable[[Key], str], more: str = ""
) -> Listing:
    """Return a table with links; a last line has what the others cost, so that it sums to the total."""
    lines = [
        Line(
            key=key_text(row.key),
            label=row.label,
            figures=figures_of(row.sums),
            percent=percent(row.sums.cost_pico, totals.cost_pico),
            narrow=narrow(row.key),
            events=events(row.key),
        )
        for row in table.rows
    ]
    if table.rest is not None:
        rest = table.rest
        lines.append(Line("", OTHERS, figures_of(rest), percent(rest.cost_pico, totals.cost_pico)))
    return Listing(table.group, TITLES[table.group], lines, more if table.rest is not None else "")


def percent(part: int, whole: int) -> str:
    """Return a share with one decimal, "–" of nothing."""
    found = share(part, whole)
    return "–" if found is None else f"{(found * 100).quantize(Decimal('0.1'), ROUND_HALF_EVEN)} %"


def change(now: int, before: int) -> str:
    """Return how much more or less than before, in per cent."""
    found = share(now - before, abs(before))
    if found is None:
        return "nothing before" if now else "no change"
    return f"{(found * 100).quantize(Decimal('0.1'), ROUND_HALF_EVEN):+} %"


def changes_of(now: Sums, before: Sums) -> dict[str, str]:
    """Return the change of the figures against the range before."""
    return {
        "cost": change(now.cost_pico, before.cost_pico),
        "calls": change(now.calls, before.calls),
        "tokens": change(now.total_input + now.output_tokens, before.total_input + before.output_tokens),
    }


def formula(projection: Projection) -> str:
    """Return how the projected month comes about."""
    so_far, month = projection.so_far, projection.month
    days = "1 day" if so_far.length == 1 else f"{so_far.length} days"
    spent = money(projection.cost_pico).text
    return f"{spent} in {days} of {month.first:%B} ÷ {so_far.length} × {month.length} days"


def sums_json(sums: Sums) -> dict[str, Any]:
    """Return sums in the API's shape: `input_tokens` is the providers' total, shares are of 1."""
    return {
        "calls": sums.calls,
        "input_tokens": sums.total_input,
        "cached_tokens": sums.cache_read_tokens,
        "cache_write_tokens": sums.cache_write_tokens,
        "output_tokens": sums.output_tokens,
        "reasoning_tokens": sums.reasoning_tokens,
        "cost_usd": usd_text(sums.priced_cost_pico),
        "estimated_cost_usd": usd_text(sums.estimated_cost_pico),
        "orchestration_cost_usd": usd_text(sums.orchestration_cost_pico),
        "unpriced_calls": sums.unpriced_calls,
        "cached_share": text_of(share(sums.cache_read_tokens, sums.total_input)),
        "orchestration_share": text_of(share(sums.orchestration_cost_pico, sums.cost_pico)),
    }


def text_of(number: Decimal | None) -> str | None:
    return None if number is None else str(number)
