"""The users of all tests: Alice owns things, Bob is somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.hashers import PasswordHasher
from accounts.models import User
from accounts.tests.support.clients import BASE, browser_of, client_of, make_user


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    """Reset rate limit counts between tests."""
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords with the least that Argon2 takes: most of these tests sign in, many of them often."""
    for name, least in {"time_cost": 1, "memory_cost": 8, "parallelism": 1}.items():
        monkeypatch.setattr(PasswordHasher, name, least)


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


@pytest.fixture
def bob(db: None) -> User:
    return make_user("bob")


@pytest.fixture
def api(alice: User) -> Client:
    """Alice's API client, with a token."""
    return client_of(alice)


@pytest.fixture
def browser(alice: User) -> Client:
    """Alice's browser."""
    return browser_of(alice)


@pytest.fixture
def stranger(bob: User) -> Client:
    """Bob's API client, with a token."""
    return client_of(bob)


@pytest.fixture
def mails(settings: Any) -> Any:
    """Settings with mail; a test sets EMAIL_PORT to the port of its mail server."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_URL = "127.0.0.1", "smtp://127.0.0.1"
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.DEFAULT_FROM_EMAIL = "council@example.org"
    settings.PANTHEON_URL = BASE
    return settings
