"""Expired cookie sessions are erased, in batches, and no others."""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session

from accounts.services.cookie_sessions import cookie_sessions_clear
from accounts.tests.support.cookie_sessions import cookie_session

pytestmark = pytest.mark.django_db


def test_what_has_expired_goes() -> None:
    kept = cookie_session(expires_in_s=60)
    for _ in range(3):
        cookie_session(expires_in_s=-1)
    assert cookie_sessions_clear() == 3
    assert list(Session.objects.all()) == [kept]
    assert cookie_sessions_clear() == 0


def test_many_go_in_batches(django_assert_num_queries) -> None:
    for _ in range(5):
        cookie_session(expires_in_s=-1)
    with django_assert_num_queries(3 * 2 + 1):  # three batches, and a look that finds nothing
        assert cookie_sessions_clear(at_once=2) == 5
