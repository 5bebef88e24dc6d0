"""Rate limits per caller, with a clock that the test sets."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory
from rest_framework.throttling import SimpleRateThrottle

from accounts.models import ApiToken, User
from accounts.services.people import token_create
from accounts.tests.support.at_once import at_once
from accounts.tests.support.clients import bearer, browser_of, client_of, refused
from accounts.throttling import TURN_THROTTLES

pytestmark = pytest.mark.django_db

URL = "/api/v1/auth/me"


class Clock:
    now_s = 1_800_000_000.0

    def __call__(self, _throttle: object = None) -> float:
        return self.now_s


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(SimpleRateThrottle, "timer", clock)
    return clock


def statuses(client: Client, times: int) -> list[int]:
    return [client.get(URL).status_code for _ in range(times)]


def limits_of(response: Any) -> tuple[str, str, str]:
    return response["RateLimit-Limit"], response["RateLimit-Remaining"], response["RateLimit-Reset"]


class TestRequests:
    @pytest.fixture(autouse=True)
    def _limit(self, settings: Any) -> None:
        settings.PANTHEON_REQUESTS_PER_MINUTE = 3

    def test_too_many_are_429_with_the_time_to_wait(self, api: Client, clock: Clock) -> None:
        assert statuses(api, 3) == [200] * 3
        clock.now_s += 19.5
        response = api.get(URL)
        error = refused(response, 429, "rate_limited")
        assert response["Retry-After"] == "41"
        assert error["details"] == {"retry_after_s": 41}
        assert error["retryable"] is True
        clock.now_s += 40.4
        assert statuses(api, 1) == [429]
        clock.now_s += 0.1
        assert statuses(api, 4) == [200, 200, 200, 429]

    def test_answers_say_how_much_is_left(self, api: Client, clock: Clock) -> None:
        answers = []
        for _ in range(4):
            answers.append(api.get(URL))
            clock.now_s += 10
        assert [limits_of(answer) for answer in answers] == [
            ("3", "2", "60"),
            ("3", "1", "50"),
            ("3", "0", "40"),
            ("3", "0", "30"),
        ]
        assert answers[-1]["Retry-After"] == "30"

    def test_without_a_limit_there_are_no_headers(self, api: Client, settings: Any) -> None:
        settings.PANTHEON_REQUESTS_PER_MINUTE = 0
        assert not any(name.startswith("RateLimit") for name in api.get(URL).headers)
        assert "RateLimit-Limit" not in Client().get(URL).headers

    def test_the_window_slides(self, api: Client, clock: Clock) -> None:
        for _ in range(3):
            assert statuses(api, 1) == [200]
            clock.now_s += 15
        assert statuses(api, 1) == [429]  # 45 s after the first
        clock.now_s += 15
        assert statuses(api, 2) == [200, 429]

    def test_the_refused_do_not_wait_longer_for_asking(self, api: Client, clock: Clock) -> None:
        statuses(api, 50)
        clock.now_s += 60
        assert statuses(api, 1) == [200]

    def test_each_token_has_its_own_count(self, alice: User) -> None:
        one, other = client_of(alice), client_of(alice)
        assert statuses(one, 4) == [200, 200, 200, 429]
        assert statuses(other, 4) == [200, 200, 200, 429]

    def test_a_browser_has_its_own_count_whatever_the_session(self, alice: User, api: Client) -> None:
        assert statuses(browser_of(alice), 3) == [200] * 3
        assert statuses(browser_of(alice), 1) == [429]
        assert statuses(api, 1) == [200]

    def test_people_do_not_wait_for_each_other(self, api: Client, stranger: Client) -> None:
        assert statuses(api, 4)[-1] == 429
        assert statuses(stranger, 1) == [200]

    def test_nobody_is_counted_before_they_are_known(self) -> None:
        assert statuses(Client(), 10) == [401] * 10

    def test_the_counts_of_endpoints_are_one(self, api: Client) -> None:
        for path in (URL, "/api/v1/auth/tokens", "/api/v1/auth/tokens/nonsense"):
            assert api.get(path).status_code < 429
        refused(api.get(URL), 429, "rate_limited")

    def test_a_limit_applies_as_soon_as_it_is_set(self, api: Client, clock: Clock, settings: Any) -> None:
        assert statuses(api, 3) == [200] * 3
        settings.PANTHEON_REQUESTS_PER_MINUTE = 1
        clock.now_s += 30
        response = api.get(URL)
        refused(response, 429, "rate_limited")
        assert response["Retry-After"] == "30"
        settings.PANTHEON_REQUESTS_PER_MINUTE = 4
        assert statuses(api, 2) == [200, 429]

    def test_0_is_no_limit(self, api: Client, settings: Any) -> None:
        settings.PANTHEON_REQUESTS_PER_MINUTE = 0
        assert statuses(api, 20) == [200] * 20


@pytest.mark.django_db(transaction=True)
def test_requests_at_the_same_moment_cannot_slip_past(alice: User, settings: Any) -> None:
    settings.PANTHEON_REQUESTS_PER_MINUTE = 3
    token = bearer(alice)
    done = at_once(*[lambda: Client(headers={"Authorization": token}).get(URL).status_code] * 8)
    assert [done.count(status) for status in (200, 429)] == [3, 5]


class TestTurns:
    """The limits on new turns, without running turns."""

    @pytest.fixture(autouse=True)
    def _limits(self, settings: Any) -> None:
        settings.PANTHEON_TURNS_PER_MINUTE, settings.PANTHEON_TURNS_PER_HOUR = 2, 5
        settings.PANTHEON_TOKEN_TURNS_PER_MINUTE, settings.PANTHEON_TOKEN_TURNS_PER_HOUR = 3, 6
        settings.PANTHEON_REQUESTS_PER_MINUTE = 1

    def ask(self, user: User, token: ApiToken | None = None) -> float | None:
        """Request a turn; return None, or the seconds to wait."""
        request = Request(APIRequestFactory().post("/"))
        request.user, request.auth = user, token
        waits = [
            throttle.wait()
            for throttle in (throttle() for throttle in TURN_THROTTLES)
            if not throttle.allow_request(request, None)
        ]
        assert None not in waits
        return max((wait for wait in waits if wait is not None), default=None)

    def test_a_browser_has_the_limits_of_a_browser(self, alice: User, clock: Clock) -> None:
        assert [self.ask(alice) for _ in range(3)] == [None, None, 60]
        clock.now_s += 60
        assert [self.ask(alice) for _ in range(3)] == [None, None, 60]
        clock.now_s += 60
        assert [self.ask(alice) for _ in range(2)] == [None, 3480]  # the hour is full

    def test_a_token_has_the_limits_of_a_token(self, alice: User, clock: Clock) -> None:
        token, _ = token_create(user=alice, name="test")
        assert [self.ask(alice, token) for _ in range(4)] == [None, None, None, 60]
        clock.now_s += 60
        assert [self.ask(alice, token) for _ in range(4)] == [None, None, None, 3540]
        assert self.ask(alice) is None

    def test_turns_refused_by_the_minute_do_not_fill_the_hour(self, alice: User, clock: Clock) -> None:
        for _ in range(2):
            assert [self.ask(alice) for _ in range(10)][:3] == [None, None, 60]
            clock.now_s += 60
        assert self.ask(alice) is None

    def test_turns_and_other_requests_are_counted_apart(self, alice: User) -> None:
        browser = browser_of(alice)
        assert statuses(browser, 2) == [200, 429]
        assert self.ask(alice) is None

    @pytest.mark.parametrize(("minute", "hour", "allowed"), [(0, 5, 5), (2, 0, 2), (0, 0, 30)])
    def test_0_is_no_limit(self, alice: User, settings: Any, minute: int, hour: int, allowed: int) -> None:
        settings.PANTHEON_TURNS_PER_MINUTE, settings.PANTHEON_TURNS_PER_HOUR = minute, hour
        assert [self.ask(alice) for _ in range(30)].count(None) == allowed

    def test_an_hour_later_all_is_forgotten(self, alice: User, clock: Clock) -> None:
        for _ in range(5):
            self.ask(alice)
            clock.now_s += 60
        assert self.ask(alice) is not None
        clock.now_s += 3600
        assert [self.ask(alice) for _ in range(2)] == [None, None]
