"""Layout of a stacked bar chart, drawn as SVG without scripts by templates/billing/chart.html."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from billing.days import DayRange
from billing.money import money
from billing.reports.report import Series

WIDTH, HEIGHT = 960, 240
LEFT, RIGHT, TOP, BOTTOM = 72, 8, 10, 24
MAX_LABELS = 10


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in drawing units, with the CSS class of its series."""

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
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
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
        ticks=[Tick(units(y_of(value, top)), text(value)) for value in range(0, top + 1, step)]
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
    slot = (WIDTH - LEFT - RIGHT) * 10
    begin, end = LEFT * 10 + slot * place // count, LEFT * 10 + slot * (place + 1) // count
    gap = min(60, (end - begin) // 5)
    boxes, below, parts = [], 0, []
    for name, one in zip(classes, series, strict=True):
        cost = one.costs[place]
        if cost:
            parts.append(f"{one.label} {text(cost)}")
        if cost > 0:
            low, high = y_of(below, top), y_of(below + cost, top)
            boxes.append(
                Box(name, units(begin + gap // 2), units(high), units(end - begin - gap), units(low - high))
            )
            below += cost
    total = text(sum(one.costs[place] for one in series))
    return Bar(day, f"{day}: {total}" + (f" ({', '.join(parts)})" if len(parts) > 1 else ""), boxes)


def y_of(value: int, top: int) -> int:
    """Return the y coordinate of a value in tenths of a unit, from the top."""
    plot = (HEIGHT - TOP - BOTTOM) * 10
    return (HEIGHT - BOTTOM) * 10 - plot * value // top


def units(tenths: int) -> str:
    return f"{tenths // 10}.{tenths % 10}"


def day_ticks(days: DayRange) -> list[Tick]:
    every = -(-days.length // MAX_LABELS)
    slot = (WIDTH - LEFT - RIGHT) * 10
    return [
        Tick(units(LEFT * 10 + slot * (2 * place + 1) // (2 * days.length)), f"{day:%m-%d}")
        for place, day in enumerate(days.days)
        if place % every == 0
    ]


def description_of(days: DayRange, totals: Sequence[int]) -> str:
    if not any(totals):
        return f"{days}: no cost."
    highest = max(totals)
    return f"{days}: total {text(sum(totals))}, peak {text(highest)} on {days.days[totals.index(highest)]}."


def text(pico: int) -> str:
    return money(pico).text
