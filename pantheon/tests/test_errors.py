"""Error responses: JSON under /api/ and /v1/, a page elsewhere, with a request id and without secrets."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, TooManyFieldsSent
from django.http import Http404, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.test import Client
from rest_framework import exceptions

from accounts.tests.support.clients import browser_of, make_user, refused
from pantheon.tests.support.failing_urls import SECRET
from web.error_rendering import as_pantheon_error, flatten
from web.errors import HTTP_STATUS, RETRYABLE, NotFound, PantheonError, ValidationFailed

pytestmark = pytest.mark.both_runs  # each request counts in the cache

# The table of the contract, and `unavailable`: the server itself lacks its database or Redis.
CODES = {
    400: {"invalid_json", "invalid_parameter"},
    401: {"not_authenticated"},
    402: {"budget_exceeded"},
    403: {"permission_denied", "csrf_failed", "account_suspended"},
    404: {"not_found"},
    405: {"method_not_allowed"},
    409: {"turn_conflict", "turn_in_progress", "turn_final", "agent_key_taken", "idempotency_mismatch"},
    413: {"payload_too_large"},
    422: {
        "validation_error",
        "no_valid_tagged_agents",
        "no_room_agents",
        "room_goal_required",
        "context_overflow",
        "model_unavailable",
        "unsupported_file",
        "file_unreadable",
        "file_quota_exceeded",
    },
    429: {"rate_limited"},
    500: {"internal_error"},
    502: {"provider_error", "content_filtered", "output_limit"},
    503: {"provider_unavailable", "unavailable"},
    504: {"provider_timeout"},
}
HEX_ID = re.compile(r"[0-9a-f]{32}")


@pytest.fixture(autouse=True)
def static_files_as_they_are(settings: Any) -> None:
    """Static files are not collected in tests, so there is no manifest for their names."""
    backend = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": backend}


@pytest.fixture
def failing(settings: Any) -> Client:
    """A client of a server with failing views."""
    settings.ROOT_URLCONF = "pantheon.tests.support.failing_urls"
    return Client(raise_request_exception=False)


@pytest.fixture
def browser(db: None) -> Client:
    return browser_of(make_user("alice"))


def page(response: Any, status: int) -> str:
    """Assert that a response is the error page; return its HTML."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "text/html; charset=utf-8"
    html: str = response.content.decode()
    assert f'<p class="error-status">{status}</p>' in html
    assert response["X-Request-ID"] in html
    return html


class TestCodes:
    def test_every_code_has_the_status_of_the_contract(self) -> None:
        assert {code: status for status, codes in CODES.items() for code in codes} == HTTP_STATUS

    def test_what_may_succeed_later_is_retryable(self) -> None:
        assert {
            "turn_in_progress",
            "rate_limited",
            "provider_unavailable",
            "provider_timeout",
            "unavailable",
        } == RETRYABLE

    @pytest.mark.parametrize("code", HTTP_STATUS)
    def test_an_error_has_one_shape(self, code: str) -> None:
        error = PantheonError(code, "Do this.", {"field": 1})
        assert error.as_dict("r-1") == {
            "error": {
                "code": code,
                "message": "Do this.",
                "details": {"field": 1},
                "retryable": code in RETRYABLE,
                "request_id": "r-1",
            }
        }
        assert error.http_status == HTTP_STATUS[code]

    def test_an_error_without_details_has_none_of_its_own(self) -> None:
        one, other = NotFound(), NotFound()
        one.details["seen"] = True
        assert other.details == {}
        assert ValidationFailed({"name": ["Too long."]}).details == {"fields": {"name": ["Too long."]}}


class TestUnknownUrls:
    @pytest.mark.parametrize(
        "path", ["/api/v1/nothing", "/api/", "/api/v2/agents", "/api/v1/agents/", "/api/v1/%00"]
    )
    def test_below_the_api_is_json(self, path: str) -> None:
        for accept in ("*/*", "text/html", "text/event-stream"):
            for method in ("get", "post", "delete"):
                refused(getattr(Client(), method)(path, headers={"Accept": accept}), 404, "not_found")

    @pytest.mark.parametrize(
        "path", ["/nothing", "/apiary", "/rooms/nothing/at/all", "/static-not", "/%F0%9F%92%A9"]
    )
    def test_elsewhere_is_a_page(self, path: str) -> None:
        html = page(Client().get(path, headers={"Accept": "application/json"}), 404)
        assert "<title>Not found, or you don&#x27;t have access. · Pantheon</title>" in html

    def test_the_page_knows_who_is_signed_in(self, browser: Client) -> None:
        assert "alice@example.com" in page(browser.get("/nothing"), 404)

    def test_the_page_says_nothing_of_the_url(self) -> None:
        assert "script>alert" not in page(Client().get("/<script>alert(1)</script>"), 404)


class TestFailures:
    @pytest.mark.parametrize(
        "path", ["/api/v1/fails/bug", "/api/v1/fails-async/bug", "/api/v1/fails-outside-drf"]
    )
    def test_a_bug_is_500_without_a_trace(
        self, failing: Client, path: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        response = failing.get(path)
        error = refused(response, 500, "internal_error")
        assert error["details"] == {}
        assert error["retryable"] is False
        body = response.content.decode()
        assert SECRET not in body
        assert "Traceback" not in body
        assert "ZeroDivisionError" not in body
        assert any(record.exc_info for record in caplog.records if record.levelno >= logging.ERROR)

    def test_the_log_has_more_under_the_request_id(
        self, failing: Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        failing.get("/api/v1/fails/bug", headers={"X-Request-ID": "my-id-42"})
        (record,) = [record for record in caplog.records if "my-id-42" in record.getMessage()]
        assert record.exc_info
        assert record.exc_info[0] is ZeroDivisionError

    def test_a_bug_in_a_page_is_a_page(self, failing: Client) -> None:
        html = page(failing.get("/fails/bug"), 500)
        assert SECRET not in html
        assert "Traceback" not in html

    @pytest.mark.parametrize("name", ["database", "connection", "redis"])
    def test_a_part_that_does_not_answer_makes_a_page_503(self, failing: Client, name: str) -> None:
        response = failing.get(f"/fails/{name}")
        html = page(response, 503)
        assert "Try again in a moment" in html
        assert SECRET not in html
        assert response["Retry-After"] == "5"

    @pytest.mark.parametrize("view", ["fails", "fails-async"])
    @pytest.mark.parametrize("name", ["database", "connection", "redis"])
    def test_a_part_that_does_not_answer_is_503(self, failing: Client, view: str, name: str) -> None:
        response = failing.get(f"/api/v1/{view}/{name}")
        error = refused(response, 503, "unavailable")
        assert error["retryable"] is True
        assert response["Retry-After"] == "5"
        assert SECRET not in response.content.decode()

    @pytest.mark.parametrize("view", ["fails", "fails-async"])
    def test_our_own_errors_keep_their_details_and_headers(self, failing: Client, view: str) -> None:
        response = failing.get(f"/api/v1/{view}/ours")
        error = refused(response, 409, "turn_in_progress")
        assert (error["message"], error["details"]) == ("Wait.", {"turn": 3})
        assert response["Retry-After"] == "7"

    def test_a_suspicious_request_is_400(self, failing: Client) -> None:
        for view in ("fails", "fails-async"):
            response = failing.get(f"/api/v1/{view}/suspicious")
            refused(response, 400, "invalid_parameter")
            assert SECRET not in response.content.decode()
        assert SECRET not in page(failing.get("/fails/suspicious"), 400)


class TestRefusals:
    """Requests that Django refuses before it calls a view."""

    def test_another_host_is_400(self) -> None:
        client = Client(headers={"Host": "evil.example.com"})
        refused(client.get("/api/v1/health"), 400, "invalid_parameter")
        assert "PANTHEON_ALLOWED_HOSTS" in page(client.get("/nothing"), 400)
        assert "PANTHEON_ALLOWED_HOSTS" not in page(client.get("/nothing", REMOTE_ADDR="192.0.2.1"), 400)

    def test_a_form_without_a_csrf_token_is_403(self, browser: Client) -> None:
        page(browser.post("/sign-out"), 403)

    def test_a_form_that_is_too_large_is_413(self, browser: Client) -> None:
        response = browser.post(
            "/sign-in", data="x=" + "y" * (1024 * 1024), content_type="application/x-www-form-urlencoded"
        )
        page(response, 413)

    def test_a_form_with_too_many_fields_is_400(self, browser: Client) -> None:
        fields = "&".join(f"f{number}=" for number in range(1001))
        form: dict[str, Any] = {"data": fields, "content_type": "application/x-www-form-urlencoded"}
        page(browser.post("/sign-in", **form), 400)
        refused(browser.post("/api/v1/agents", **form), 400, "invalid_parameter")

    def test_a_broken_multipart_form_is_400(self, browser: Client) -> None:
        response = browser.post(
            "/api/v1/agents", data="nonsense", content_type="multipart/form-data; boundary="
        )
        refused(response, 400, "invalid_parameter")


class TestRequestId:
    PATHS = ["/api/v1/health", "/api/v1/nothing", "/api/v1/agents", "/nothing", "/sign-in", "/admin/login/"]

    @pytest.mark.parametrize("path", PATHS)
    def test_every_response_has_one_of_its_own(self, db: None, path: str) -> None:
        ids = [Client().get(path)["X-Request-ID"] for _ in range(3)]
        assert len(set(ids)) == 3
        assert all(HEX_ID.fullmatch(request_id) for request_id in ids)

    def test_failures_have_one(self, failing: Client) -> None:
        for path in (
            "/api/v1/fails/bug",
            "/api/v1/fails-async/bug",
            "/api/v1/fails-outside-drf",
            "/fails/bug",
        ):
            assert HEX_ID.fullmatch(failing.get(path)["X-Request-ID"])

    def test_static_files_have_one(self, settings: Any, tmp_path: Path) -> None:
        (tmp_path / "page.css").write_text("body {}")
        settings.STATIC_ROOT = tmp_path
        response = Client().get("/static/page.css")
        assert response.status_code == 200
        assert response.getvalue() == b"body {}"
        assert HEX_ID.fullmatch(response["X-Request-ID"])

    @pytest.mark.parametrize("offered", ["a", "trace.1_2-3", "A" * 64])
    def test_a_harmless_one_of_the_caller_is_taken(self, offered: str) -> None:
        response = Client().get("/api/v1/nothing", headers={"X-Request-ID": offered})
        assert response["X-Request-ID"] == offered
        assert refused(response, 404, "not_found")["request_id"] == offered

    @pytest.mark.parametrize(
        "offered",
        [
            "",
            " ",
            "A" * 65,
            "a b",
            "a\nb",
            "a\r\nSet-Cookie: x=1",
            "<script>",
            "a/b",
            'a"b',
            "é",
            "a\0",
            "a\n",
            "%0a",
        ],
    )
    def test_a_hostile_one_is_replaced(self, offered: str) -> None:
        response = Client().get("/api/v1/health", headers={"X-Request-ID": offered})
        assert response.status_code == 200
        assert HEX_ID.fullmatch(response["X-Request-ID"])
        assert "Set-Cookie" not in response


class TestRendering:
    @pytest.mark.parametrize(
        ("raised", "code"),
        [
            (Http404("room 7"), "not_found"),
            (exceptions.NotFound(), "not_found"),
            (PermissionDenied("no"), "permission_denied"),
            (exceptions.PermissionDenied(), "permission_denied"),
            (exceptions.NotAuthenticated(), "not_authenticated"),
            (exceptions.AuthenticationFailed(), "not_authenticated"),
            (exceptions.MethodNotAllowed("PUT"), "method_not_allowed"),
            (exceptions.ParseError(), "invalid_json"),
            (exceptions.UnsupportedMediaType("text/plain"), "invalid_json"),
            (exceptions.ValidationError({"name": ["No."]}), "validation_error"),
            (exceptions.Throttled(wait=12.2), "rate_limited"),
            (exceptions.Throttled(), "rate_limited"),
            (RequestDataTooBig(), "payload_too_large"),
            (TooManyFieldsSent(), "invalid_parameter"),
            (BadRequest(), "invalid_parameter"),
            (MultiPartParserError(), "invalid_parameter"),
        ],
        ids=lambda value: value if isinstance(value, str) else type(value).__name__,
    )
    def test_what_libraries_raise_has_a_code(self, raised: Exception, code: str) -> None:
        error = as_pantheon_error(raised)
        assert error is not None
        assert error.code == code
        assert error.message

    @pytest.mark.parametrize(
        "raised", [ZeroDivisionError(), ValueError(), KeyError("x"), UnreadablePostError()]
    )
    def test_unexpected_errors_have_none(self, raised: Exception) -> None:
        assert as_pantheon_error(raised) is None

    @pytest.mark.parametrize(("wait", "seconds"), [(12.2, 13), (0.01, 1), (60, 60), (None, 1)])
    def test_too_many_requests_get_the_time_to_wait(self, wait: float | None, seconds: int) -> None:
        error = as_pantheon_error(exceptions.Throttled(wait=wait))
        assert error is not None
        assert error.headers == {"Retry-After": str(seconds)}
        assert error.details == {"retry_after_s": seconds}

    @pytest.mark.parametrize(
        ("detail", "flat"),
        [
            ({"name": ["Too long."]}, {"name": ["Too long."]}),
            ({"name": "Too long."}, {"name": ["Too long."]}),
            (["Send a list."], {"non_field_errors": ["Send a list."]}),
            ({"agents": {0: ["No id."], 2: ["No id."]}}, {"agents.0": ["No id."], "agents.2": ["No id."]}),
            (
                {"items": [{}, {"text": ["Empty."]}, {}]},
                {"items.1.text": ["Empty."]},
            ),
            ({"a": {"b": {"c": ["Deep."]}}, "d": ["Flat."]}, {"a.b.c": ["Deep."], "d": ["Flat."]}),
            ({"mode": ['"\ud800" is no mode.']}, {"mode": ['"?" is no mode.']}),
            (
                {"agents": {number: ["No id."] for number in range(5_000)}},
                {f"agents.{number}": ["No id."] for number in range(20)},
            ),
        ],
    )
    def test_validation_errors_name_the_path_of_the_field(
        self, detail: Any, flat: dict[str, list[str]]
    ) -> None:
        assert flatten(exceptions.ValidationError(detail).detail) == flat
