"""What answers of the API share: amounts of money and the tokens of a call."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing.fields import usd_text
from web.api.shapes import Of, Shape, count, flag, stated


def usd_field(help_text: str, **options: Any) -> Any:
    return serializers.RegexField(
        r"^-?\d+(\.\d+)?$", help_text=f"{help_text} USD, a decimal as a string.", **options
    )


def usd(help_text: str, of: Of, **options: Any) -> Any:
    """Return an amount; `of` gives pico-USD."""
    return stated(usd_field(help_text, **options), of, usd_text)


class TokensShape(Shape):
    # Rendered from a `UsageReport` or a `UsageEvent`.
    input_tokens = count(
        "Input tokens, the provider's total, including cached ones and cache writes.",
        of="usage.total_input",
    )
    cached_tokens = count("Input tokens read from the provider's cache.", of="usage.cache_read")
    cache_write_tokens = count("Input tokens written to the provider's cache.", of="usage.cache_write")
    output_tokens = count("Output tokens, including reasoning.", of="usage.output")
    reasoning_tokens = count("Tokens of output that were reasoning.", of="usage.reasoning")
    estimated = flag(
        "Estimated by Pantheon: the provider reported no usage.",
        of=lambda report: report.source == "estimated",
    )
