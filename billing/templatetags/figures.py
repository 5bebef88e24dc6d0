"""Numbers in templates."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def count(number: int) -> str:
    """Return a whole number with its thousands apart."""
    return f"{number:,}"
