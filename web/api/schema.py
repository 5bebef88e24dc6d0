"""The OpenAPI schema: every operation with its responses and error codes.

`manage.py spectacular` and the view of `api/v1/schema` build it. Views describe themselves with `operation`; a view
without it gets the defaults.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.permissions import AllowAny

from web.errors import HTTP_STATUS

ERROR_CODES = "x-error-codes"
ERROR = "Error"
EXTRA_SCHEMAS: dict[str, dict[str, Any]] = {}
"""Hand-written schemas by name; each package adds its own."""

PATH_IDS = "UUID. 404 if it is malformed, does not exist or is not yours."


def operation(
    summary: str,
    *,
    answers: Any = empty,
    request: Any = empty,
    parameters: Sequence[Any] = (),
    errors: Iterable[str] = (),
    description: str | None = None,
    tag: str | None = None,
    operation_id: str | None = None,
) -> Callable[[Any], Any]:
    """Describe a view's method. `errors`: codes in addition to `OperationSchema.usual_errors`."""
    return extend_schema(
        operation_id=operation_id,
        summary=summary,
        description=description,
        request=request,
        responses=answers,
        parameters=list(parameters),
        extensions={ERROR_CODES: list(errors)},
        tags=[tag] if tag else None,
    )


def query(
    name: str, description: str, kind: Any = str, *, enum: Sequence[str] | None = None, required: bool = False
) -> OpenApiParameter:
    return OpenApiParameter(
        name, kind, OpenApiParameter.QUERY, description=description, enum=enum, required=required
    )


def header(name: str, description: str, kind: Any = str) -> OpenApiParameter:
    return OpenApiParameter(name, kind, OpenApiParameter.HEADER, description=description)


def answer_header(name: str, description: str, *statuses: int) -> OpenApiParameter:
    return OpenApiParameter(
        name,
        str,
        OpenApiParameter.HEADER,
        description=description,
        response=[str(status) for status in statuses],
    )


def page_of(name: str, item: type[serializers.BaseSerializer[Any]]) -> Any:
    """Return the shape of a paginated list: `{"next", "previous", "results"}`."""
    return inline_serializer(
        name,
        {
            "next": serializers.URLField(
                allow_null=True, help_text="URL of the next page; null on the last."
            ),
            "previous": serializers.URLField(
                allow_null=True, help_text="URL of the previous page; null on the first."
            ),
            "results": item(many=True, help_text="Newest first."),
        },
    )


PAGE = (
    query("limit", "Page size, 1 to 200; default 50.", int),
    query("cursor", "Opaque position, taken from `next` or `previous`."),
)


class OperationSchema(AutoSchema):
    """Complete the description of an operation with what its method, path and permissions imply."""

    def get_operation(self, *args: Any) -> dict[str, Any] | None:
        description: dict[str, Any] | None = super().get_operation(*args)
        if description is None:
            return None
        extra = description.pop(ERROR_CODES, [])
        for status, codes in by_status([*self.usual_errors(description), *extra]).items():
            description["responses"].setdefault(str(status), self.error_response(codes))
        return description

    def get_summary(self) -> str:
        if summary := super().get_summary():
            return str(summary)
        noun = " ".join(part for part in self.path.split("/")[3:] if part and not part.startswith("{"))
        verbs = {"GET": "Read", "POST": "Write", "PUT": "Replace", "PATCH": "Change", "DELETE": "Delete"}
        return f"{verbs[self.method]} {noun}"

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular calls it
        """Return the docstring of the view's own class: those of base classes and methods are for developers."""
        return inspect.cleandoc(vars(type(self.view)).get("__doc__") or "")

    def get_tags(self) -> list[str]:
        parts = [part for part in self.path.split("/") if part and part not in ("api", "v1")]
        return [parts[0]] if self.path.startswith("/api/") else ["openai"]

    def get_auth(self) -> Any:
        return [] if self.is_public() else super().get_auth()

    def is_public(self) -> bool:
        return AllowAny in self.view.permission_classes

    def get_request_serializer(self) -> Any:
        return self.view_serializer() or OpenApiTypes.OBJECT

    def get_response_serializers(self) -> Any:
        return self.view_serializer() or ({204: None} if self.method == "DELETE" else OpenApiTypes.OBJECT)

    def view_serializer(self) -> Any:
        return getattr(self.view, "serializer_class", None)

    def usual_errors(self, description: Mapping[str, Any]) -> Iterable[str]:
        """Yield the codes that follow from the method, path and permissions of an operation."""
        yield "invalid_parameter"
        yield "internal_error"
        yield "unavailable"
        if "{" in self.path:
            yield "not_found"
        if "requestBody" in description:
            yield from ("invalid_json", "payload_too_large", "validation_error")
        if not self.is_public():
            yield from ("not_authenticated", "permission_denied", "account_suspended", "rate_limited")
            if self.method != "GET":
                yield "csrf_failed"

    def error_response(self, codes: Sequence[str]) -> dict[str, Any]:
        """Return the response for one status: an error with one of these codes."""
        reference = {"$ref": f"#/components/schemas/{getattr(self.view, 'error_component', ERROR)}"}
        code = {"type": "object", "properties": {"code": {"enum": list(codes)}}}
        narrowed = {"type": "object", "properties": {"error": code}}
        return {
            "description": " or ".join(f"`{code}`" for code in codes),
            "content": {"application/json": {"schema": {"allOf": [reference, narrowed]}}},
        }


def by_status(codes: Iterable[str]) -> dict[int, list[str]]:
    """Group codes by their HTTP status."""
    groups: dict[int, list[str]] = {}
    for code in sorted(set(codes), key=lambda code: (HTTP_STATUS[code], code)):
        groups.setdefault(HTTP_STATUS[code], []).append(code)
    return groups


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.api.authentication.BearerAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A token from the account page, or from `bin/manage create_token EMAIL --name N`. "
            "Its scopes: `read` for every GET, `chat` for writes on sessions, turns and summaries and for completions, "
            "`manage` for writes on agents and rooms and for deleting tokens, `admin` for `admin/*`.",
        }


class CookieScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.api.authentication.CookieAuthentication"
    name = "cookie"
    priority = 1

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "pantheon_session",
            "description": "The session cookie of the web pages. Writes need the `X-CSRFToken` header.",
        }


EXTRA_SCHEMAS[ERROR] = {
    "type": "object",
    "description": "Every error has this shape.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details", "retryable", "request_id"],
            "properties": {
                "code": {
                    "type": "string",
                    "enum": list(HTTP_STATUS),
                    "description": "What went wrong, for programs.",
                },
                "message": {
                    "type": "string",
                    "description": "What went wrong and how to fix it, for people.",
                },
                "details": {
                    "type": "object",
                    "description": "Structured facts; in a `validation_error`, `fields` maps fields to their messages.",
                },
                "retryable": {"type": "boolean", "description": "The same request may succeed later."},
                "request_id": {
                    "type": ["string", "null"],
                    "description": "The response's `X-Request-ID`, which log lines carry too.",
                },
            },
        }
    },
}


def finish(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Add what all operations share: schemas, headers, path ids (a postprocessing hook)."""
    schemas = result["components"].setdefault("schemas", {})
    schemas |= EXTRA_SCHEMAS
    result["components"]["headers"] = HEADERS
    for item in result["paths"].values():
        for described in item.values():
            for parameter in described.get("parameters", ()):
                if parameter["in"] == "path":
                    parameter.setdefault("description", PATH_IDS)
            for status, response in described["responses"].items():
                names = ["X-Request-ID", *(["Retry-After"] if status in ("429", "503") else [])]
                if "429" in described["responses"] and status != "401":
                    names += RATE_LIMIT
                references = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
                response["headers"] = {**references, **response.get("headers", {})}
    return result


RATE_LIMIT = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
HEADERS: dict[str, Any] = {
    "RateLimit-Limit": {
        "description": "Requests allowed in the window that is closest to its limit; absent if nothing is limited.",
        "schema": {"type": "integer"},
    },
    "RateLimit-Remaining": {
        "description": "Requests left in that window.",
        "schema": {"type": "integer"},
    },
    "RateLimit-Reset": {
        "description": "Seconds until the oldest request leaves that window.",
        "schema": {"type": "integer"},
    },
    "X-Request-ID": {
        "description": "The `X-Request-ID` that was sent, if it is 1 to 64 of `A-Z a-z 0-9 . _ -`; else a new id.",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds to wait before trying again, if known.",
        "schema": {"type": "integer"},
    },
}


def keep_api_paths(endpoints: Iterable[Any], **_: Any) -> list[Any]:
    """Leave pages and the administration out of the schema (a preprocessing hook)."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith(("/api/v1/", "/v1/"))]
