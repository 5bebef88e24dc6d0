"""The inline middlewares behave as Django's."""

from __future__ import annotations

import json

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.test import Client
from django.utils.module_loading import import_string

from accounts.services.people import token_create
from accounts.tests.support.clients import make_user
from pantheon.http.inline_middleware import INLINE, InlineHandler


def test_each_middleware_of_others_has_one_that_runs_inline() -> None:
    others = [name for name in settings.MIDDLEWARE if not name.startswith("pantheon.")]
    assert list(INLINE) == others
    for name, inline in INLINE.items():
        assert issubclass(import_string(inline), import_string(name))


def test_the_settings_stay_as_they_are_named() -> None:
    before = list(settings.MIDDLEWARE)
    InlineHandler()
    assert before == settings.MIDDLEWARE


async def answer_of(path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Call the server's handler; return status, headers and body."""
    asked = [(name.encode(), value.encode()) for name, value in {"host": "testserver", **headers}.items()]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": asked}
    server = ApplicationCommunicator(InlineHandler(), scope)
    await server.send_input({"type": "http.request", "body": b""})
    start = await server.receive_output(10)
    body = await server.receive_output(10)
    given = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return start["status"], given, body["body"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/api/v1/auth/me", "/api/v1/nothing", "/v1/models"])
async def test_programs_get_the_headers_that_browsers_get(path: str) -> None:
    _, of_browser, _ = await answer_of(path)
    status, of_program, body = await answer_of(path, authorization="Bearer unknown")
    own = {"x-request-id", "content-length", "vary"}  # no answer to a program varies with a cookie
    assert {name: of_program[name] for name in of_program.keys() - own} == {
        name: of_browser[name] for name in of_browser.keys() - own
    }
    assert "default-src 'none'" in of_program["content-security-policy"]
    assert status in (401, 404)
    assert json.loads(body)["error"]


@pytest.mark.django_db(transaction=True)
async def test_a_program_is_known_by_its_token_alone(client: Client) -> None:
    alice, bob = await sync_to_async(make_user)("alice"), await sync_to_async(make_user)("bob")
    await sync_to_async(client.force_login)(bob)
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    status, _, body = await answer_of("/api/v1/auth/me", cookie=cookie)
    assert (status, json.loads(body)["email"]) == (200, bob.email)
    _, secret = await sync_to_async(token_create)(user=alice, name="program")
    status, _, body = await answer_of("/api/v1/auth/me", cookie=cookie, authorization=f"bearer {secret}")
    assert (status, json.loads(body)["email"]) == (200, alice.email)
    status, _, _ = await answer_of("/api/v1/auth/me", cookie=cookie, authorization="Bearer unknown")
    assert status == 401
