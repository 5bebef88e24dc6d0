"""Attacks on the bill, tried by hand before: no path reaches a model once the budget is used up."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.tests.support.admin_site import page, static_files_as_they_are, superuser
from accounts.tests.support.clients import client_of, make_user
from billing.models import Budget, Hold, ModelPrice, UsageEvent
from sessions.models import ChatSession, Turn
from sessions.tests.factories import make_agent, make_session
from sessions.tests.support.budgeting import ask, budget, session

__all__ = ["session", "static_files_as_they_are"]

pytestmark = pytest.mark.django_db(transaction=True)


def by_turn(api: Any, session: ChatSession, turn: Turn) -> Any:
    return ask(api, session, "and now?")


def by_rerun(api: Any, session: ChatSession, turn: Turn) -> Any:
    return api.post(f"turns/{turn.pk}/rerun", {"message": "and now?"})


def by_retry(api: Any, session: ChatSession, turn: Turn) -> Any:
    Turn.objects.filter(pk=turn.pk).update(status="failed")
    turn.messages.filter(role="agent").update(status="failed")
    return api.post(f"turns/{turn.pk}/retry")


def by_summary(api: Any, session: ChatSession, turn: Turn) -> Any:
    return api.post(f"sessions/{session.pk}/summaries")


def by_fork(api: Any, session: ChatSession, turn: Turn) -> Any:
    fork = api.post(f"sessions/{session.pk}/fork", {"after_turn": turn.index})
    assert fork.status_code == 201, fork.content
    return api.post(f"sessions/{fork.json()['id']}/turns", {"message": "and now?"})


def by_completion(api: Any, session: ChatSession, turn: Turn) -> Any:
    body = {"model": "agent:ana", "messages": [{"role": "user", "content": "and now?"}]}
    return api.client.post("/v1/chat/completions", body, content_type="application/json")


DOORS = [by_turn, by_rerun, by_retry, by_summary, by_fork, by_completion]


@pytest.mark.parametrize("scope", ["everyone", "user"])
@pytest.mark.parametrize("door", DOORS)
def test_a_hard_budget_of_nothing_stops_everything(
    alice, api, session, openai_server, door: Any, scope: str
) -> None:
    assert ask(api, session).status_code == 201
    turn = Turn.objects.get()
    before = len(openai_server.served), UsageEvent.objects.count()
    budget(0, scope, **({"target_id": alice.pk} if scope == "user" else {}))
    response = door(api, session, turn)
    assert response.status_code == 402, response.content
    assert response.json()["error"]["code"] == "budget_exceeded"
    assert (len(openai_server.served), UsageEvent.objects.count()) == before
    assert not Turn.objects.active().exists()
    assert not Hold.objects.filter(resolved_at=None).exists()


def test_a_key_is_each_users_own(api, stranger, bob, session, openai_server, openai_model) -> None:
    """A key that somebody else has used tells nothing, and gives away no turn."""
    headers = {"Idempotency-Key": "k"}
    first = api.post(f"sessions/{session.pk}/turns", {"message": "hello"}, headers=headers)
    theirs = make_session(bob, make_agent(bob, "ana", openai_model))
    second = stranger.post(f"sessions/{theirs.pk}/turns", {"message": "something else"}, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] != second.json()["id"]
    assert "Idempotent-Replayed" not in second


def tried(openai_model: Any, amount: str) -> tuple[list[int], int, int]:
    """Try to make a budget and a price of this amount; return the answers, and how many there are then."""
    root = make_user("root", is_staff=True, is_superuser=True)
    budgets = {"scope": "everyone", "applies": "total", "period": "month", "thresholds": "50"}
    price = {"model": openai_model.pk, "effective_from_0": "2026-01-02", "effective_from_1": "00:00"}
    price |= {"min_input_tokens": "0", "source": "me", "input_pico": amount, "output_pico": amount}
    browser = superuser()
    answers = [
        client_of(root).post(
            "/api/v1/admin/budgets",
            {"scope": "everyone", "limit_usd": amount},
            content_type="application/json",
        ),
        browser.post(page(Budget, "add"), {**budgets, "limit_pico": amount}),
        browser.post(page(ModelPrice, "add"), price),
    ]
    made = ModelPrice.objects.filter(model=openai_model, source="me")
    return [answer.status_code for answer in answers], Budget.objects.count(), made.count()


NO_AMOUNTS = ["-1", "NaN", "-Infinity", "Infinity", "1e400", "1e-13", "0x10", "1,5", ""]


@pytest.mark.parametrize("amount", NO_AMOUNTS)
def test_an_amount_that_is_none_becomes_no_budget_and_no_price(openai_model, amount: str) -> None:
    assert tried(openai_model, amount) == ([422, 200, 200], 0, 0)


def test_an_amount_does(openai_model) -> None:
    """The refusals above are about the amount, not about a wrong form."""
    assert tried(openai_model, "1.5") == ([201, 302, 302], 2, 1)
