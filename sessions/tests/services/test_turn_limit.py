"""How many turns of a user may be active at once."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from sessions.models import Agent, Turn
from sessions.services.turn_accept import turn_accept
from sessions.services.turn_limit import place_of
from sessions.services.turn_request import TurnRequest
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_model, make_room, make_session, make_user
from web.errors import PantheonError

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

MOST = 2


@pytest.fixture(autouse=True)
def _few(settings: Any) -> None:
    settings.PANTHEON_TURNS_AT_ONCE_PER_USER = MOST


@pytest.fixture
def agent(alice: User) -> Agent:
    return make_agent(alice, "ana", make_model())


@pytest.fixture
def full(alice: User, agent: Agent) -> list[Turn]:
    """Return as many active turns as are allowed, each in its own session."""
    return [
        turn_accept(user=alice, session=make_session(alice, agent), request=TurnRequest(message="hello"))
        for _ in range(MOST)
    ]


def end(turn: Turn) -> None:
    Turn.objects.filter(pk=turn.pk).update(status="completed", completed_at=turn.created_at)


@pytest.mark.parametrize("way", ["turns", "rerun", "summaries", "completions"])
def test_one_more_is_refused_in_every_way_until_one_ends(
    api: Api, alice: User, agent: Agent, full: list[Turn], way: str
) -> None:
    room = make_room(alice, agent)
    session = make_session(alice, room)
    end(full[0])
    asked = {"message": "@ana hello", "background": True}
    old = api.post(f"sessions/{session.pk}/turns", asked).json()["id"]
    end(Turn.objects.get(pk=old))
    full.append(
        turn_accept(
            user=alice,
            session=make_session(alice, agent),
            request=TurnRequest(message="hello"),
        )
    )
    path, body = {
        "turns": (f"sessions/{session.pk}/turns", asked),
        "rerun": (f"turns/{old}/rerun", {"background": True}),
        "summaries": (f"sessions/{session.pk}/summaries", {"background": True}),
        "completions": (
            "/v1/chat/completions",
            {"model": f"room:{room.pk}", "messages": [{"role": "user", "content": "Hello"}], "stream": True},
        ),
    }[way]

    def ask() -> Any:
        if way != "completions":
            return api.post(path, body)
        return api.client.post(path, body, content_type="application/json")

    refusal = ask()
    assert refusal.status_code == 429
    assert refusal["Retry-After"]
    assert "You have 2 turns in progress, the maximum." in refusal.json()["error"]["message"]
    assert Turn.objects.active().count() == MOST
    end(full[-1])
    assert ask().status_code in (200, 202)


def test_turns_of_others_do_not_count(agent: Agent, full: list[Turn]) -> None:
    bob = make_user("bob")
    session = make_session(bob, make_agent(bob, "ana", agent.model))
    assert turn_accept(user=bob, session=session, request=TurnRequest(message="hello"))


def test_zero_is_no_limit(alice: User, agent: Agent, full: list[Turn], settings: Any) -> None:
    settings.PANTHEON_TURNS_AT_ONCE_PER_USER = 0
    session = make_session(alice, agent)
    assert turn_accept(user=alice, session=session, request=TurnRequest(message="hello"))


def test_the_refusal_leaves_nothing_behind(alice: User, agent: Agent, full: list[Turn]) -> None:
    session = make_session(alice, agent)
    with pytest.raises(PantheonError) as caught:
        turn_accept(user=alice, session=session, request=TurnRequest(message="hello"))
    assert (caught.value.code, caught.value.retryable) == ("rate_limited", True)
    assert not session.turns.exists()
    assert not session.messages.exists()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL chooses by its statistics")
def test_sqlite_counts_with_the_index_of_active_turns(full: list[Turn]) -> None:
    sql, params = place_of(full[0].user) or ("", [])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN SELECT 1 {sql}", params)
        plan = str(cursor.fetchall())
    assert "turn_active" in plan or "turn_one_active_per_session" in plan, plan
