"""Template tags for numbers, rows of costs, and bars and rows of charts.

Pages have hundreds of these rows and bars; template loops would take a third of the page's time.
"""

from __future__ import annotations

from collections.abc import Iterable

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from billing.reports import charts
from billing.reports.tables import TableLine
from billing.texts.money import Money
from web.dates import day_text

register = template.Library()

COST_ROW = (
    '<tr><th scope="row">{name}</th><td class="number" data-label="Cost"{cost_title}>{cost}</td>'
    '<td class="number" data-label="Share">{share}</td>'
    '<td class="number{no_estimated}" data-label="Estimated" title="{estimated_usd} USD">{estimated}</td>'
    '<td class="number{no_orchestration}" data-label="Orchestration" title="{orchestration_usd} USD">'
    "{orchestration}</td>"
    '<td class="number" data-label="Calls">{calls}</td>'
    '<td class="number{warning}" data-label="Unpriced">{unpriced}</td>'
    '<td class="number" data-label="Tokens in">{tokens_in}</td><td class="number" data-label="Cached">{cached}</td>'
    '<td class="number" data-label="Tokens out">{tokens_out}</td></tr>\n'
)

CHART_BAR = '<g class="chart-bar"><title>{}</title>{}</g>'
CHART_BOX = '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>'
CHART_ROW = '<tr><th scope="row">{}</th><td class="number">{}</td>{}</tr>'


@register.filter
def count(number: int) -> str:
    """Return a whole number with thousands separators."""
    return f"{number:,}"


@register.simple_tag
def money(amount: Money | None) -> str:
    """Return an amount as people read it, with the exact one in its title; without an amount nothing."""
    if not amount:
        return ""
    if not amount.exact:
        return amount.text
    return format_html('<data value="{0}" title="{0} USD">{1}</data>', amount.exact, amount.text)


@register.simple_tag
def cost_rows(lines: Iterable[TableLine]) -> SafeString:
    """Return the rows of a table of costs."""
    return format_html_join("", COST_ROW, (cost_cells(line) for line in lines))


@register.simple_tag
def chart_bars(bars: Iterable[charts.Bar]) -> SafeString:
    """Return the bars of a chart as SVG, each with its title."""
    return format_html_join("\n", CHART_BAR, ((bar.text, boxes_of(bar)) for bar in bars))


def boxes_of(bar: charts.Bar) -> SafeString:
    places = ((box.series, box.x, box.y, box.width, box.height) for box in bar.boxes)
    return format_html_join("", CHART_BOX, places)


@register.simple_tag
def chart_rows(lines: Iterable[charts.ChartLine]) -> SafeString:
    """Return a chart's days as table rows."""
    return format_html_join(
        "\n", CHART_ROW, ((day_text(line.day), line.total, parts_of(line)) for line in lines)
    )


def parts_of(line: charts.ChartLine) -> SafeString:
    return format_html_join("", '<td class="number">{}</td>', ((part,) for part in line.parts))


def cost_cells(line: TableLine) -> dict[str, object]:
    figures = line.figures
    sums, calls = figures.sums, count(figures.sums.calls)
    return {
        "name": link(line.narrow, line.label, "title", f"Only {line.label}"),
        "cost_title": title_of(figures.cost),
        "cost": figures.cost.text,
        "share": line.percent,
        "estimated": figures.estimated.text,
        "estimated_usd": figures.estimated.exact,
        "orchestration": figures.orchestration.text,
        "orchestration_usd": figures.orchestration.exact,
        "calls": link(line.events, calls, "aria-label", f"{calls} calls of {line.label}, the events"),
        "warning": " costs-warning" if sums.unpriced_calls else " zero",
        "no_estimated": "" if sums.estimated_cost_pico else " zero",
        "no_orchestration": "" if figures.orchestration.exact != "0.00" else " zero",
        "unpriced": count(sums.unpriced_calls),
        "tokens_in": count(sums.total_input),
        "cached": figures.cached_percent,
        "tokens_out": count(sums.output_tokens),
    }


def link(url: str, text: str, attribute: str, value: str) -> str:
    return format_html('<a href="{}" {}="{}">{}</a>', url, attribute, value, text) if url else text


def title_of(cost: Money) -> str:
    return format_html(' title="{} USD"', cost.exact) if cost.exact else ""
