"""GET api/v1/schema and api/v1/docs: the schema is complete and matches the API."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import get_resolver
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from accounts.tests.support.admin_site import static_files_as_they_are
from pantheon import api_schema
from pantheon.tests.support.url_map import routes
from web.errors import HTTP_STATUS

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.both_runs  # each request counts in the cache

PUBLIC = {"/api/v1/health", "/api/v1/ready"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = Client().get("/api/v1/schema").json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def test_it_is_openapi_3_1(document) -> None:
    assert document["openapi"].startswith("3.1")
    validate_schema(document)


def test_it_is_made_without_a_warning() -> None:
    GENERATOR_STATS.reset()
    with GENERATOR_STATS.silence():
        SchemaGenerator().get_schema(request=None, public=True)
    assert GENERATOR_STATS._warn_cache == {}
    assert GENERATOR_STATS._error_cache == {}


def test_every_route_is_in_it(document) -> None:
    ours = {
        "/" + re.sub(r"<str:(\w+)>", r"{\1}", route)
        for route, _ in routes(get_resolver().url_patterns)
        if route.startswith(("api/v1/", "v1/"))
    }
    assert ours - {"/api/v1/schema", "/api/v1/docs"} == set(document["paths"])


def test_every_operation_says_what_it_does_and_what_it_refuses(document) -> None:
    for path, method, operation in operations(document):
        name = f"{method} {path}"
        assert operation["summary"], name
        assert ("401" in operation["responses"]) == (path not in PUBLIC), name
        assert ("security" in operation and operation["security"] != []) == (path not in PUBLIC), name
        assert ("404" in operation["responses"]) >= ("{" in path), name
        assert ("422" in operation["responses"]) >= ("requestBody" in operation), name
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], f"{name}: {parameter['name']}"
        for status, response in operation["responses"].items():
            assert response.get("description") is not None
            assert "X-Request-ID" in response["headers"]
            if int(status) >= 400 and path != "/api/v1/ready":
                codes = codes_of(response)
                assert codes, f"{name}: {status}"
                assert {HTTP_STATUS[code] for code in codes} == {int(status)}, name


def codes_of(response: dict[str, Any]) -> list[str]:
    shape, narrowed = response["content"]["application/json"]["schema"]["allOf"]
    assert shape["$ref"] in ("#/components/schemas/Error", "#/components/schemas/OpenAiError")
    codes: list[str] = narrowed["properties"]["error"]["properties"]["code"]["enum"]
    return codes


def test_every_field_says_what_it_is(document) -> None:
    silent = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, described in schema.get("properties", {}).items()
        if not described.get("description") and field != "error"
    ]
    assert silent == []


def test_the_docs_load_nothing_from_elsewhere_and_run_nothing_inline() -> None:
    response = Client().get("/api/v1/docs")
    assert response.status_code == 200
    assert "script-src 'self'" in response["Content-Security-Policy"]
    page = response.content.decode()
    sources = re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^"]*)"', page)
    assert sources
    assert all(source.startswith("/") and not source.startswith("//") for source in sources)
    assert re.findall(r"<script[^>]*>\s*\S+?\s*</script>", page) == []
    for source in sources:
        path = source.partition("?")[0]
        if path.startswith("/static/"):
            assert finders.find(path.removeprefix("/static/")), path
    [script] = [source for source in sources if source.startswith("/api/v1/docs")]
    answer = Client().get(script)
    assert answer["Content-Type"].startswith("application/javascript")
    assert "/api/v1/schema" in answer.content.decode()


def test_first_requests_at_once_get_the_same_document() -> None:
    api_schema._generated.cache_clear()
    barrier = threading.Barrier(3)

    def read() -> dict[str, Any]:
        barrier.wait(30)
        return api_schema.document()

    with ThreadPoolExecutor(3) as threads:
        first, *others = [reading.result() for reading in [threads.submit(read) for _ in range(3)]]
    assert all(other is first for other in others)
