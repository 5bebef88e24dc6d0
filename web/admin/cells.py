"""Cells of admin lists that hold more than one value, so that a list fits a page."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from web.admin.readonly import page_link


def noted(main: object, note: object) -> SafeString | str:
    """Return a value with a smaller line below it, if there is one."""
    if not note:
        return format_html("{}", main)
    return format_html('{}<small class="cell-note">{}</small>', main, note)


def state_cell(text: str, tone: str = "") -> SafeString:
    """Return a state. `tone`: `good`, `bad`, `warn` or none."""
    return format_html('<span class="state{}">{}</span>', f" state-{tone}" if tone else "", text)


def id_link(page: str, pk: uuid.UUID | None) -> SafeString | str:
    """Return a link to the page of a row, called by the start of its id."""
    return page_link(page, pk, str(pk)[:8])


def count_column(field: str, label: str) -> Any:
    """Return a column of a list or page, a function of a row, with a count in groups of three digits."""

    @admin.display(description=label, ordering=field)
    def column(row: Any) -> str:
        value = getattr(row, field)
        return "-" if value is None else f"{value:,}"

    column.__name__ = field  # the cell's CSS class
    return column


def seconds_column(field: str, label: str) -> Any:
    """Return a column, as `count_column` does, with a duration that is stored in milliseconds."""

    @admin.display(description=label, ordering=field)
    def column(row: Any) -> str:
        value = getattr(row, field)
        return "-" if value is None else f"{value / 1000:,.1f} s"

    column.__name__ = field
    return column


def facts_cell(facts: Mapping[str, Any] | None) -> SafeString | str:
    """Return stored JSON as a list of names and values; "-" if it is empty."""
    if not facts:
        return "-"
    rows = format_html_join("", "<div><dt>{}</dt><dd>{}</dd></div>", flat_facts(facts))
    return format_html('<dl class="facts">{}</dl>', rows)


def flat_facts(facts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in facts.items():
        name = f"{prefix}{str(key).replace('_', ' ')}"
        if isinstance(value, Mapping) and value:
            yield from flat_facts(value, f"{name}: ")
        else:
            yield name, fact_text(value)


def fact_text(value: Any) -> str:
    """Return a value of JSON as people read it."""
    match value:
        case None | "" | [] | {}:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case list():
            return ", ".join(fact_text(each) for each in value)
    return str(value)
