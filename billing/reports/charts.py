"""Layout of a stacked bar chart, drawn as SVG without scripts by templates/billing/chart.html.

Heights are pixels, and places along the days are percent of the width: the bars stretch with the page, texts do not.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from billing.days import DayRange
from billing.fields import usd_text
from billing.reports.report import Series
from billing.texts.money import money
from web.dates import day_text

HEIGHT = 220
TOP, BOTTOM = 10, 24
PERMYRIAD = 10_000
MAX_LABELS = 10
LABEL_PX = 60
"""The width of a day's label. A chart that is narrower than its labels scrolls, and begins at the newest day."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with the CSS class of its series."""

    series: str
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class Bar:
    day: dt.date
    text: str
    boxes: Sequence[Box]


@dataclass(frozen=True, slots=True)
class Tick:
    place: str
    label: str
    at_end: bool = False
    """Whether the label ends at the chart's edge: centred, it would be cut."""


@dataclass(frozen=True, slots=True)
class Legend:
    series: str
    label: str
    total: str


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A day of the chart as text: the total, then each series."""

    day: dt.date
    total: str
    parts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Chart:
    description: str
    bars: Sequence[Bar]
    ticks: Sequence[Tick]
    days: Sequence[Tick]
    legend: Sequence[Legend]
    lines: Sequence[ChartLine]
    width: int
    """The least width in pixels at which the days' labels do not touch."""
    height: int = HEIGHT
    floor: int = HEIGHT - BOTTOM


def stacked_chart(days: DayRange, series: Sequence[Series]) -> Chart:
    """Lay out cost per day in whole numbers. A negative sum (a correction) is not drawn."""
    classes = [series_class(number, one) for number, one in enumerate(series)]
    totals = [sum(one.costs[place] for one in series) for place in range(days.length)]
    highest = max((sum(max(one.costs[n], 0) for one in series) for n in range(days.length)), default=0)
    step, top = scale(highest)
    return Chart(
        description=description_of(days, totals),
        bars=[
            bar_of(place, day, days.length, series, classes, top)
            for place, day in enumerate(days.days)
            if any(one.costs[place] for one in series)
        ],
        ticks=[Tick(units(y_of(value, top)), f"${usd_text(value)}") for value in range(0, top + 1, step)]
        if highest
        else [],
        days=day_ticks(days),
        legend=[
            Legend(name, one.label, text(sum(one.costs))) for name, one in zip(classes, series, strict=True)
        ],
        lines=[
            ChartLine(day, text(totals[place]), [text(one.costs[place]) for one in series])
            for place, day in enumerate(days.days)
        ],
        width=days.length * -(-LABEL_PX // days_per_label(days)),
    )


def series_class(number: int, series: Series) -> str:
    return "series-others" if series.is_rest else f"series-{number}"


def scale(highest: int) -> tuple[int, int]:
    """Return the distance of grid lines (1, 2 or 5 times a power of ten) and the top of the scale."""
    step = 1
    for power in range(len(str(highest)) + 1):
        for factor in (1, 2, 5):
            step = factor * 10**power
            if step * 4 >= highest:
                return step, max(step, -(-highest // step) * step)
    return step, step


def bar_of(
    place: int, day: dt.date, count: int, series: Sequence[Series], classes: Sequence[str], top: int
) -> Bar:
    begin, end = PERMYRIAD * place // count, PERMYRIAD * (place + 1) // count
    gap = (end - begin) // 5
    boxes, below, parts = [], 0, []
    for name, one in zip(classes, series, strict=True):
        cost = one.costs[place]
        if cost:
            parts.append(f"{one.label} {text(cost)}")
        if cost > 0:
            low, high = y_of(below, top), y_of(below + cost, top)
            x, width = percent(begin + gap // 2), percent(end - begin - gap)
            boxes.append(Box(name, x, units(high), width, units(low - high)))
            below += cost
    total = text(sum(one.costs[place] for one in series))
    return Bar(day, f"{day_text(day)}: {total}" + (f" ({', '.join(parts)})" if len(parts) > 1 else ""), boxes)


def y_of(value: int, top: int) -> int:
    """Return the y coordinate of a value in tenths of a pixel, from the top."""
    plot = (HEIGHT - TOP - BOTTOM) * 10
    return (HEIGHT - BOTTOM) * 10 - plot * value // top


def units(tenths: int) -> str:
    return f"{tenths // 10}.{tenths % 10}"


def percent(permyriad: int) -> str:
    return f"{permyriad // 100}.{permyriad % 100:02}%"


def days_per_label(days: DayRange) -> int:
    return -(-days.length // MAX_LABELS)


def day_ticks(days: DayRange) -> list[Tick]:
    """Return labels at even distances, one of them at the newest day."""
    every, newest = days_per_label(days), days.length - 1
    return [
        Tick(
            percent(PERMYRIAD * (2 * place + 1) // (2 * days.length)),
            day_text(day),
            at_end=place == newest and every > 1,
        )
        for place, day in enumerate(days.days)
        if (newest - place) % every == 0
    ]


def description_of(days: DayRange, totals: Sequence[int]) -> str:
    if not any(totals):
        return f"{days.text}: no cost."
    highest = max(totals)
    peak = day_text(days.days[totals.index(highest)])
    return f"{days.text}: total {text(sum(totals))}, peak {text(highest)} on {peak}."


def text(pico: int) -> str:
    return money(pico).text
