"""JSON bodies, bounded."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import JSONParser

from pantheon.errors import PantheonError


class BoundedJSONParser(JSONParser):
    """Read at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes (413 beyond) and expect an object or a list (400 otherwise)."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise PantheonError(
                "payload_too_large", f"A request body may have {limit} bytes.", {"limit_bytes": limit}
            )
        try:
            data = super().parse(io.BytesIO(body), media_type, parser_context)
        except RecursionError as error:
            raise PantheonError("invalid_json", "The body is nested too deeply.") from error
        if not isinstance(data, dict | list):
            raise PantheonError("invalid_json", "The body must be a JSON object.")
        return data
