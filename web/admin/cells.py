"""Cells of admin lists that hold more than one value, so that a list fits a page."""

from __future__ import annotations

import uuid

from django.utils.html import format_html
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
