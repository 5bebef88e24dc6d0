"""The query string of a report: range, filters and group."""

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
class ReportQuery:
    """The parsed query string of a report."""

    preset: str
    days: DayRange
    filters: Filters
    group: str

    def query(self, **changes: str) -> str:
        """Return the query string, with some parameters changed; "" removes one."""
        parameters = {"range": self.preset}
        if self.preset == "custom":
            parameters |= {"from": str(self.days.first), "to": str(self.days.last)}
        parameters |= {"group_by": self.group, **self.filters.query(), **changes}
        return urlencode({name: value for name, value in parameters.items() if value})

    def narrowing(self, group: str) -> Callable[[Key], str]:
        """Return a function that builds the query string for a row of a group; the shared part is encoded once."""
        if group == "day":
            return lambda day: replace(self, preset="custom", days=single_day(day)).query()
        shared = replace(self, filters=self.filters.having(group, None)).query()
        return lambda key: f"{shared}&{group}={quote_plus(key_text(key))}"


def parse_query(parameters: Mapping[str, str], *, today: dt.date, group: str = "model") -> ReportQuery:
    """Parse a query string. Raises `invalid_parameter`."""
    preset, days = parse_range(parameters, today)
    return ReportQuery(preset, days, parse_filters(parameters), parse_group(parameters, group))


def parse_query_lenient(
    parameters: Mapping[str, str], *, today: dt.date, group: str = "model"
) -> tuple[ReportQuery, list[str]]:
    """Parse a query string, replacing invalid parameters by defaults; return a message for each."""
    problems: list[str] = []
    query = ReportQuery(DEFAULT_PRESET, preset_range(DEFAULT_PRESET, today), Filters(), group)
    try:
        preset, days = parse_range(parameters, today)
        query = replace(query, preset=preset, days=days)
    except PantheonError as error:
        problems.append(f"{error.message} Showing the last 30 days.")
    try:
        query = replace(query, group=parse_group(parameters, group))
    except PantheonError as error:
        problems.append(error.message)
    for name in Filters.__slots__:
        try:
            value = getattr(parse_filters({name: parameters.get(name, "")}), name)
        except PantheonError as error:
            problems.append(f"{error.message} It is ignored.")
        else:
            query = replace(query, filters=query.filters.having(name, value))
    return query, problems


def parse_range(parameters: Mapping[str, str], today: dt.date) -> tuple[str, DayRange]:
    first, last = parameters.get("from", "").strip(), parameters.get("to", "").strip()
    preset = parameters.get("range", "").strip() or ("custom" if first or last else DEFAULT_PRESET)
    if preset not in PRESETS:
        raise invalid_parameter("range", f"range must be one of {', '.join(PRESETS)}.")
    return preset, custom_range(first, last, today) if preset == "custom" else preset_range(preset, today)


def parse_group(parameters: Mapping[str, str], default: str) -> str:
    group = parameters.get("group_by", "").strip() or default
    if group not in GROUPS:
        raise invalid_parameter("group_by", f"group_by must be one of {', '.join(GROUPS)}.")
    return group
