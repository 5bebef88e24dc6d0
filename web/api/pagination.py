"""Pagination of API lists: newest first, opaque cursor, bounded page size."""

from __future__ import annotations

import datetime as dt
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.utils.urls import remove_query_param, replace_query_param

from web.errors import PantheonError

Row = TypeVar("Row")


class NewestFirst(CursorPagination):
    """Answer `{"next", "previous", "results"}`; `?cursor=` and `?limit=` (default 50, at most 200) select the page."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    ordering = ("-created_at", "-id")

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get("limit")
        if text is None:
            return self.page_size
        is_number = text.isascii() and text.isdigit() and len(text) <= 10
        if not is_number or not 1 <= int(text) <= self.max_page_size:
            raise PantheonError(
                "invalid_parameter",
                f"limit must be a whole number from 1 to {self.max_page_size}.",
                {"parameter": "limit"},
            )
        return int(text)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        limit = {"type": "integer", "minimum": 1, "maximum": self.max_page_size, "default": self.page_size}
        cursor = "Opaque position, taken from `next` or `previous`."
        return [
            {"name": "limit", "in": "query", "description": "Page size.", "schema": limit},
            {"name": "cursor", "in": "query", "description": cursor, "schema": {"type": "string"}},
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        address = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": {**address, "description": "URL of the next page; null on the last."},
                "previous": {**address, "description": "URL of the previous page; null on the first."},
                "results": {**schema, "description": "Newest first."},
            },
        }

    def decode_cursor(self, request: Request):  # type: ignore[no-untyped-def]  # a private tuple of DRF's
        try:
            cursor = super().decode_cursor(request)
        except NotFound as error:
            refuse_cursor(error)
        if cursor is not None and cursor.position is not None and not is_timestamp(str(cursor.position)):
            refuse_cursor()
        return cursor


def page_of_rows(request: Request, rows: Sequence[Row]) -> tuple[Sequence[Row], dict[str, str | None]]:
    """Return one page of a short list that is already in memory, and its `next` and `previous` URLs.

    Raises `invalid_parameter`.
    """
    limit = NewestFirst().get_page_size(request)
    begin = row_of(request.query_params.get("cursor"))

    def address(row: int) -> str:
        url = request.build_absolute_uri()
        cursor = urlsafe_b64encode(f"row {row}".encode()).decode()
        return replace_query_param(url, "cursor", cursor) if row else remove_query_param(url, "cursor")

    following = begin + limit
    links = {
        "next": address(following) if following < len(rows) else None,
        "previous": address(max(0, begin - limit)) if begin else None,
    }
    return rows[begin:following], links


def row_of(cursor: str | None) -> int:
    """Return the row index in a cursor of `page_of_rows`. Raises `invalid_parameter`."""
    if not cursor:
        return 0
    try:
        named = re.fullmatch(r"row ([0-9]{1,9})", urlsafe_b64decode(cursor.encode()).decode())
    except ValueError as error:  # base64 and Unicode errors are ValueErrors
        refuse_cursor(error)
    if named is None:
        refuse_cursor()
    return int(named[1])


def refuse_cursor(cause: Exception | None = None) -> NoReturn:
    raise PantheonError(
        "invalid_parameter", "cursor is invalid: use one that this list returned.", {"parameter": "cursor"}
    ) from cause


def is_timestamp(text: str) -> bool:
    """Return whether a cursor's position is a timestamp with a time zone, which every database can compare."""
    try:
        moment = parse_datetime(text)
        return moment is not None and moment.tzinfo is not None and bool(moment.astimezone(dt.UTC))
    except (ValueError, OverflowError):
        return False
