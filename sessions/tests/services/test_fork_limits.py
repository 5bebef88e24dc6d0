"""How often, and how many at once, a person may fork sessions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.db import connection

from accounts.models import User
from accounts.tests.support.clients import refused
from sessions.models import ChatSession
from sessions.services.fork import fork_lock
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_room, make_session

pytestmark = pytest.mark.django_db(transaction=True)
ALL = {"after_turn": 0}


@pytest.fixture
def session(alice: User) -> ChatSession:
    return make_session(alice, make_room(alice, make_agent(alice, "ana")))


@contextmanager
def forking(user: User) -> Iterator[None]:
    """Have a fork of this person under way, on a connection of its own."""
    begun, end = threading.Event(), threading.Event()

    def fork() -> None:
        try:
            with fork_lock(user):
                begun.set()
                end.wait(30)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(fork)
        try:
            assert begun.wait(30)
            yield
        finally:
            end.set()
        done.result()


def test_a_second_fork_waits_until_the_first_is_over(
    alice: User, bob: User, api: Api, session: ChatSession
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer")
    with forking(bob):
        assert api.post(f"sessions/{session.pk}/fork", ALL).status_code == 201
    with forking(alice):
        refusal = api.post(f"sessions/{session.pk}/fork", ALL)
        assert refused(refusal, 429, "rate_limited")["retryable"]
        assert refusal["Retry-After"] == "5"
        assert (
            "Another session of yours is being copied. Try again in 5 s."
            in refusal.json()["error"]["message"]
        )
        assert ChatSession.objects.count() == 2
    assert api.post(f"sessions/{session.pk}/fork", ALL).status_code == 201


def test_a_fork_that_is_refused_leaves_no_lock(alice: User, api: Api, session: ChatSession) -> None:
    for after_turn in (7, 8):
        assert api.post(f"sessions/{session.pk}/fork", {"after_turn": after_turn}).status_code == 422
    assert api.post(f"sessions/{session.pk}/fork", ALL).status_code == 201


def test_forks_count_against_the_limits_of_turns(api: Api, session: ChatSession, settings) -> None:
    settings.PANTHEON_TOKEN_TURNS_PER_MINUTE = 2
    path = f"sessions/{session.pk}/fork"
    assert [api.post(path, ALL).status_code for _ in range(3)] == [201, 201, 429]
    refused(api.post(f"sessions/{session.pk}/turns", {"message": "@ana hello"}), 429, "rate_limited")
    assert api.get(f"sessions/{session.pk}").status_code == 200
