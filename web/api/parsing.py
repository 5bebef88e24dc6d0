"""Parsing of JSON request bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import JSONParser

from web.errors import PantheonError

MAX_VALUES = 20_000
"""Maximum values in a body; the longest allowed chat completion, 2,000 messages of one part, has 14,000."""


class BoundedJSONParser(JSONParser):
    """Accept only an object or a list, of at most MAX_VALUES values.

    Django limits the size: 413 above DATA_UPLOAD_MAX_MEMORY_SIZE. That alone lets hundreds of thousands of values
    through, and validating each takes 30 microseconds.
    """

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            data = super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise PantheonError("invalid_json", "The body is nested too deeply.") from error
        if not isinstance(data, dict | list):
            raise PantheonError("invalid_json", "The body must be a JSON object.")
        if has_more_values(data, MAX_VALUES):
            raise PantheonError(
                "payload_too_large",
                f"A body has at most {MAX_VALUES:,} values: send less at once.",
                {"limit_values": MAX_VALUES},
            )
        return data


def has_more_values(data: Any, limit: int) -> bool:
    """Return whether JSON data have more than `limit` values, at any depth."""
    count, containers = 1, [data]
    while containers and count <= limit:
        container = containers.pop()
        values = container.values() if isinstance(container, dict) else container
        count += len(values)
        if count <= limit:
            containers += [value for value in values if isinstance(value, dict | list)]
    return count > limit
