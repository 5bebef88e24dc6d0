"""What a page or a request asks a report for: the query string as range, filters and group."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote_plus, urlencode

from billing.days import (
    DEFAULT_PRESET,
    PRESETS,
    DayRange,
    custom_range,
    invalid_parameter,
    preset_range,
    single_day,
)
from billing.reports.filters import Filters, key_text, parse_filters
from billing.reports.report import GROUPS
from billing.selectors.keys import Key
from web.errors import PantheonError


@dataclass(frozen=True, slots=True)
class Asked:
    """A readable question, and the query string that asks it."""

    preset: str
    days: DayRange
    filters: Filters
    group: str

    def query(self, **changes: str) -> str:
        """Return the query string of this question with other parameters; "" leaves one out."""
        parameters = {"range": self.preset}
        if self.preset == "custom":
            parameters |= {"from": str(self.days.first), "to": str(self.days.last)}
        parameters |= {"group_by": self.group, **self.filters.query(), **changes}
        return urlencode({name: value for name, value in parameters.items() if value})

    def narrowing(self, group: str) -> Callable[[Key], str]:
        """Return what gives the query string of this question about one row of a group, for tables of many rows."""
        if group == "day":
            return lambda day: replace(self, preset="custom", days=single_day(day)).query()
        shared = replace(self, filters=self.filters.having(group, None)).query()
        return lambda key: f"{shared}&{group}={quote_plus(key_text(key))}"


def read(parameters: Mapping[str, str], *, today: dt.date, group: str = "model") -> Asked:
    """Read a query string. Raises `invalid_parameter`."""
    preset, days = read_range(parameters, today)
    return Asked(preset, days, parse_filters(parameters), read_group(parameters, group))


def read_forgiving(
    parameters: Mapping[str, str], *, today: dt.date, group: str = "model"
) -> tuple[Asked, list[str]]:
    """Read what can be read; the rest is left out and said in sentences."""
    wrong: list[str] = []
    asked = Asked(DEFAULT_PRESET, preset_range(DEFAULT_PRESET, today), Filters(), group)
    try:
        preset, days = read_range(parameters, today)
        asked = replace(asked, preset=preset, days=days)
    except PantheonError as error:
        wrong.append(f"{error.message} Shown are the last 30 days.")
    try:
        asked = replace(asked, group=read_group(parameters, group))
    except PantheonError as error:
        wrong.append(error.message)
    for name in Filters.__slots__:
        try:
            value = getattr(parse_filters({name: parameters.get(name, "")}), name)
        except PantheonError as error:
            wrong.append(f"{error.message} It was left out.")
        else:
            asked = replace(asked, filters=asked.filters.having(name, value))
    return asked, wrong


def read_range(parameters: Mapping[str, str], today: dt.date) -> tuple[str, DayRange]:
    first, last = parameters.get("from", "").strip(), parameters.get("to", "").strip()
    preset = parameters.get("range", "").strip() or ("custom" if first or last else DEFAULT_PRESET)
    if preset not in PRESETS:
        raise invalid_parameter("range", f"range is one of {', '.join(PRESETS)}.")
    return preset, custom_range(first, last, today) if preset == "custom" else preset_range(preset, today)


def read_group(parameters: Mapping[str, str], default: str) -> str:
    group = parameters.get("group_by", "").strip() or default
    if group not in GROUPS:
        raise invalid_parameter("group_by", f"group_by is one of {', '.join(GROUPS)}.")
    return group
