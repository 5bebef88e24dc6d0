"""API clients for tests, and assertions on error responses."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Sequence
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib.auth.hashers import make_password
from django.core.handlers.asgi import ASGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client

from accounts.hashers import PasswordHasher
from accounts.models import User
from accounts.services.people import token_create
from web.errors import HTTP_STATUS

PASSWORD = "correct horse battery"
CSRF_TOKEN = "c" * 32
BASE = "https://council.example.org"
"""PANTHEON_URL in tests."""


@functools.cache
def password_hash(memory_cost: int) -> str:
    """Hash the users' password only once for each cost, because hashing is slow."""
    return make_password(PASSWORD)


def make_user(name: str, **fields: Any) -> User:
    return User.objects.create(
        email=f"{name}@example.com",
        password=password_hash(PasswordHasher.memory_cost),
        name=name.title(),
        **fields,
    )


def bearer(user: User, *scopes: str, **fields: Any) -> str:
    """Return the Authorization header of a new token, by default with all scopes."""
    _, secret = token_create(user=user, name="test", scopes=list(scopes) or None, **fields)
    return f"Bearer {secret}"


def client_of(user: User, *scopes: str) -> Client:
    """Return a client that authenticates with a token only."""
    return Client(headers={"Authorization": bearer(user, *scopes)})


def browser_of(user: User) -> Client:
    """Return a client with a session cookie and the CSRF cookie that pages set."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    client.cookies["pantheon_csrf"] = CSRF_TOKEN
    return client


def refused(response: Any, status: int, code: str) -> dict[str, Any]:
    """Assert that a response is an error with this code, in the common shape; return the error."""
    assert response.status_code == status, response.content
    assert HTTP_STATUS[code] == status
    assert response["Content-Type"].startswith("application/json")
    body = response.json()
    assert list(body) == ["error"]
    error: dict[str, Any] = body["error"]
    assert error.keys() == {"code", "message", "details", "retryable", "request_id"}
    assert error["code"] == code
    assert error["message"]
    assert isinstance(error["details"], dict)
    assert isinstance(error["retryable"], bool)
    assert error["request_id"] == response["X-Request-ID"]
    return error


def invalid(response: Any, *fields: str) -> dict[str, list[str]]:
    """Assert that a response is a 422 about exactly these fields; return their messages."""
    error = refused(response, 422, "validation_error")
    sentences: dict[str, list[str]] = error["details"]["fields"]
    assert set(sentences) == set(fields), sentences
    assert all(sentence and isinstance(sentence, str) for said in sentences.values() for sentence in said)
    return sentences


class ChunkedResponse:
    """A response of the ASGI application, with the interface of Django's test client."""

    def __init__(self, messages: Sequence[dict[str, Any]]) -> None:
        start = messages[0]
        self.status_code: int = start["status"]
        self.headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        self.content = b"".join(message.get("body", b"") for message in messages[1:])

    def __getitem__(self, name: str) -> str:
        return self.headers[name.lower()]

    def json(self) -> Any:
        return json.loads(self.content)


def send_chunked(method: str, path: str, chunks: Sequence[bytes], authorization: str) -> ChunkedResponse:
    """Send a body without Content-Length, as the web server passes on `Transfer-Encoding: chunked`."""
    headers = {
        "host": "localhost",
        "authorization": authorization,
        "content-type": "application/json",
        "transfer-encoding": "chunked",
    }
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    incoming = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    incoming.append({"type": "http.request", "body": b"", "more_body": False})
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        if not incoming:
            await asyncio.Event().wait()  # stay connected until the response is complete
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    # Like Django's test client: the test's transaction stays open. Past __call__, which would start a thread that
    # does not see it.
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    try:
        async_to_sync(ASGIHandler().handle)(scope, receive, send)
    finally:
        for signal in signals:
            signal.connect(close_old_connections)
    return ChunkedResponse(sent)
