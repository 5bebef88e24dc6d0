"""The cast: Alice is the owner, Bob another user. Turns run for real, on provider servers on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import SyncToAsync
from django.core.cache import cache
from django.db import connections
from django.test import Client

from accounts.models import User
from orchestration.models import LlmModel
from orchestration.tests.providers import AnthropicServer, OpenAIServer
from orchestration.tests.providers.fixtures import anthropic_server, openai_server
from sessions.dispatch import use_dispatcher
from sessions.live.runtime import runtime
from sessions.tests.factories import bearer, make_model, make_user

__all__ = ["anthropic_server", "openai_server"]


class Api:
    """An API client of one user."""

    def __init__(self, authorization: str) -> None:
        self.client = Client(headers={"Authorization": authorization})

    def get(self, path: str, **kwargs: Any) -> Any:
        return self.client.get(f"/api/v1/{path}", **kwargs)

    def delete(self, path: str) -> Any:
        return self.client.delete(f"/api/v1/{path}")

    def post(self, path: str, body: Any = None, **kwargs: Any) -> Any:
        return self.client.post(
            f"/api/v1/{path}", {} if body is None else body, content_type="application/json", **kwargs
        )

    def patch(self, path: str, body: Any) -> Any:
        return self.client.patch(f"/api/v1/{path}", body, content_type="application/json")

    def put(self, path: str, body: Any) -> Any:
        return self.client.put(f"/api/v1/{path}", body, content_type="application/json")


@pytest.fixture(autouse=True)
def _quiet_process() -> Iterator[None]:
    """Turns run in this process; no test leaves a running turn or a throttle count."""
    use_dispatcher(runtime)
    yield
    use_dispatcher(None)
    runtime.stop()
    # Async tests share this thread: an outage in a test between them would break the connection it has kept.
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()
    cache.clear()


@pytest.fixture
def nobody_runs() -> None:
    """Accepted turns stay queued."""
    use_dispatcher(None)


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def api(alice: User) -> Api:
    """Alice's client."""
    return Api(bearer(alice))


@pytest.fixture
def stranger(bob: User) -> Api:
    """Bob's client."""
    return Api(bearer(bob))


@pytest.fixture
def anonymous() -> Api:
    return Api("")


@pytest.fixture
def api_of() -> Callable[..., Api]:
    """Create a client for a user, with a token with these scopes."""
    return lambda user, *scopes: Api(bearer(user, *scopes))


@pytest.fixture
def openai_model(db: None, openai_server: OpenAIServer) -> LlmModel:
    return make_model(openai_server, "gpt-test")


@pytest.fixture
def anthropic_model(db: None, anthropic_server: AnthropicServer) -> LlmModel:
    return make_model(anthropic_server, "claude-test", kind="anthropic")
