"""Amounts and tokens in admin lists."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.fields import usd_text
from billing.texts.money import money


def money_cell(pico: int | None) -> SafeString:
    """Return an amount as people read it, with the exact one as its title; `unpriced` for None."""
    amount = money(pico)
    if not amount.exact:
        return format_html("{}", amount.text)
    return format_html('<span title="{} USD">{}</span>', amount.exact, amount.text)


def tokens_cell(total_input: int | None, output: int | None) -> str:
    """Return the tokens in and out; "-" if neither is known."""
    if total_input is None and output is None:
        return "-"
    return f"{total_input or 0:,} / {output or 0:,}"


def exact_usd(pico: int | None) -> str:
    """Return an amount exactly, for the page of a row; `unpriced` for None."""
    if pico is None:
        return "unpriced"
    text = usd_text(abs(pico))
    return f"-${text}" if pico < 0 else f"${text}"
