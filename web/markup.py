"""Template tags that every template has without loading them: icons, times, and the cells of lists."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from web.dates import day_text, moment_text

register = template.Library()

ICON = (
    '<svg class="icon" width="16" height="16" fill="none" stroke="currentColor" stroke-width="1.5"'
    ' stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">'
    '<use href="{}#{}"/></svg>'
)


@register.simple_tag
def icon(name: str) -> SafeString:
    """Return an icon of static/icons.svg, as decoration: its button or link needs a label."""
    return format_html(ICON, static("icons.svg"), name)


@register.simple_tag
def labelled_cells(cells: Iterable[SafeString], headers: Iterable[dict[str, Any]]) -> SafeString:
    """Return the cells of a row of an admin list, each with the name of its column, which cards show."""
    pairs = zip(cells, headers, strict=False)
    return format_html_join("", "{}", ((labelled(cell, str(header["text"])),) for cell, header in pairs))


def labelled(cell: SafeString, label: str) -> SafeString:
    """Return a table cell of Django's with `data-label`, except the box that selects the row."""
    if "<" in label:
        return cell
    tag, space, rest = cell.partition(" ")
    label = label[:1].upper() + label[1:]
    return format_html('{} data-label="{}"{}{}', mark_safe(tag), label, space, mark_safe(rest))  # noqa: S308


@register.simple_tag
def when(moment: datetime | None, css_class: str = "") -> SafeString:
    """Return a time in UTC, which static/js/times.js shows in the reader's time zone; without a moment an empty one."""
    css = format_html(' class="{}"', css_class) if css_class else ""
    if not moment:
        return format_html("<time{} data-time></time>", css)
    moment = moment.astimezone(UTC)
    return format_html(
        '<time{} datetime="{}" data-time>{}</time>', css, moment.isoformat(), moment_text(moment)
    )


@register.simple_tag
def when_with_day(moment: datetime, css_class: str = "") -> SafeString:
    """Return a time as `when` does, with its day even if that is today: beside days of UTC."""
    return format_html(
        '<time{} datetime="{}" data-time data-with-day>{}</time>',
        format_html(' class="{}"', css_class) if css_class else "",
        moment.astimezone(UTC).isoformat(),
        moment_text(moment),
    )


@register.filter
def day(value: date) -> str:
    """Return a day as people read it."""
    return day_text(value)


@register.filter
def moment(value: datetime) -> str:
    """Return a moment in UTC as people read it, for mails and the administration."""
    return moment_text(value)
