"""Parsing of JSON request bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import JSONParser

from web.errors import PantheonError


class BoundedJSONParser(JSONParser):
    """Accept only an object or a list. Django limits the size: 413 above DATA_UPLOAD_MAX_MEMORY_SIZE."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            data = super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise PantheonError("invalid_json", "The body is nested too deeply.") from error
        if not isinstance(data, dict | list):
            raise PantheonError("invalid_json", "The body must be a JSON object.")
        return data
