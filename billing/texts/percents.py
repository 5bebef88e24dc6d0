"""Percentages as people read them: whole numbers without a space before the sign."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal


def percent_text(part: int, whole: int) -> str:
    """Return part / whole as `42%`, `<1%` or `>99%`; "–" if whole is 0."""
    if whole == 0:
        return "–"
    ratio = Decimal(part) / whole * 100
    if 0 < ratio < 1:
        return "<1%"
    if 99 < ratio < 100:
        return ">99%"
    return f"{int(ratio.to_integral_value(ROUND_HALF_UP)):,}%"


def used_text(spent: int, limit: int) -> str:
    """Return the used part of a limit, rounded down: a threshold is not shown before it is reached."""
    if limit == 0:
        return "100%"
    ratio = Decimal(spent) / limit * 100
    return "<1%" if 0 < ratio < 1 else f"{int(ratio.to_integral_value(ROUND_DOWN)):,}%"


def change_text(now: int, before: int) -> str:
    """Return the change from before, as `+862%`."""
    if before == 0:
        return "no earlier data" if now else "no change"
    change = Decimal(now - before) / abs(before) * 100
    return f"{int(change.to_integral_value(ROUND_HALF_UP)):+,}%"
