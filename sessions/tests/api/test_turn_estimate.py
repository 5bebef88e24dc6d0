"""POST turns/estimate: the cost of a turn, and whether it fits the budget, before it is sent."""

from __future__ import annotations

import pytest

from billing.services.budgets import budget_save
from sessions.api.turn_estimate import only_estimate
from sessions.models import Turn
from sessions.tests.factories import make_agent, make_model, make_session
from sessions.tests.support.budgeting import budget, estimate, high, pico, room, session

__all__ = ["room", "session"]

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_estimate_stores_nothing_and_rises(api, room, openai_server) -> None:
    told = estimate(api, room, "@all hello")
    assert told["calls"] == 3
    assert 0 < pico(told["low_usd"]) <= pico(told["typical_usd"]) <= pico(told["high_usd"])
    assert told["fits_budget"] is True
    assert not Turn.objects.exists()
    assert openai_server.served == []


def test_an_estimate_says_whether_it_fits(api, session) -> None:
    needed = high(api, session)
    made = budget(needed - 1)
    assert estimate(api, session)["fits_budget"] is False
    made.limit_pico = needed
    budget_save(budget=made)
    assert estimate(api, session)["fits_budget"] is True


def test_an_unpriced_estimate_is_null_never_zero(api, alice, openai_server) -> None:
    session = make_session(alice, make_agent(alice, "new", make_model(openai_server, "new", priced=False)))
    told = estimate(api, session)
    assert told == {"calls": 1, "low_usd": None, "typical_usd": None, "high_usd": None, "fits_budget": True}
    budget(10**12)
    assert estimate(api, session)["fits_budget"] is False


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"message": ""}, 422, "validation_error"),
        ({}, 422, "validation_error"),
        ({"message": "nobody is tagged"}, 422, "no_valid_tagged_agents"),
        ({"message": "@ana " + "x" * 99_000 * 2}, 422, "validation_error"),
    ],
)
def test_what_cannot_be_asked_cannot_be_estimated(api, room, body, status, code) -> None:
    response = api.post(f"sessions/{room.pk}/turns/estimate", body)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_who_may_not_ask(api, stranger, anonymous, api_of, alice, session) -> None:
    path, body = f"sessions/{session.pk}/turns/estimate", {"message": "hello"}
    assert stranger.post(path, body).status_code == 404
    assert anonymous.post(path, body).status_code == 401
    assert api_of(alice, "read").post(path, body).status_code == 403
    assert api.post("sessions/nonsense/turns/estimate", body).status_code == 404
    assert api.get(path).status_code == 405


def test_a_user_estimates_one_turn_at_a_time(api, api_of, alice, bob, session) -> None:
    path, body = f"sessions/{session.pk}/turns/estimate", {"message": "hello"}
    with only_estimate(alice):
        for caller in (api, api_of(alice, "chat")):
            response = caller.post(path, body)
            assert (response.status_code, response.json()["error"]["code"]) == (429, "rate_limited")
            assert response["Retry-After"] == "1"
        with only_estimate(bob):
            pass
    assert api.post(path, body).status_code == 200
