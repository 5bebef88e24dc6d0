"""Database statements of a turn, from the accepted request to the commit."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from django.db import connection

from billing.models import Budget
from billing.selectors.price_book import prices_now
from billing.services.budgets import budget_save
from orchestration.tests.providers import Answer, OpenAIServer
from sessions.live.database import Database
from sessions.models import Turn
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.running import runner_on

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

MOST_STATEMENTS = {"postgresql": 26, "sqlite": 34}
"""SQLite takes one by one what PostgreSQL takes together, and is never far away."""

MOST_TRANSACTIONS = 4


class Statements:
    """Statements and transactions of any thread's connection."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.transactions = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        inside = False

        def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            nonlocal inside
            if sql.startswith("BEGIN"):  # SQLite's, which Django sends as a statement
                return execute(sql, params, many, context)
            self.said.append(sql)
            # A statement outside a transaction is one by itself; one that only reads changes nothing.
            writes = not sql.startswith("SELECT")
            if context["connection"].in_atomic_block:
                self.transactions += not inside
                inside = True
            else:
                self.transactions += writes
                inside = False
            return execute(sql, params, many, context)

        with connection.execute_wrapper(wrapper):
            yield


class CountedDatabase(Database):
    def __init__(self, statements: Statements) -> None:
        super().__init__()
        self.statements = statements

    async def run(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        def call() -> Any:
            with self.statements.counted():
                return function(*args, **kwargs)

        call.__name__ = function.__name__
        return await super().run(call)


def run(turn: Turn, statements: Statements) -> None:
    async def run() -> None:
        async with runner_on(CountedDatabase(statements)) as runner:
            await runner.run(turn.pk)

    asyncio.run(run())


@pytest.mark.parametrize("turns_before", [0, 2])
@pytest.mark.parametrize("budgeted", [False, True])
def test_a_turn_with_one_call(
    api: Api, alice, openai_model, openai_server: OpenAIServer, turns_before, budgeted
) -> None:
    openai_server.default = Answer("Good day.")
    if budgeted:
        budget_save(budget=Budget(scope="everyone", limit_pico=10**15))
    session = make_session(alice, make_room(alice, make_agent(alice, "ana", openai_model)))
    api.get("auth/me")  # that a token was used is noted once a minute
    prices_now()  # a process reads them when one was added
    statements = Statements()
    for _ in range(turns_before + 1):
        statements = Statements()
        with statements.counted():
            answer = api.post(f"sessions/{session.pk}/turns", {"message": "@ana good day", "stream": True})
            turn_id = answer["Location"].rpartition("/")[2]
        run(Turn.objects.get(pk=turn_id), statements)
        assert Turn.objects.get(pk=turn_id).status == "completed"
    listed = "\n".join(sql[:100] for sql in statements.said)
    # After a call under a hard budget the prices are read again.
    assert len(statements.said) <= MOST_STATEMENTS[connection.vendor] + budgeted, listed
    assert statements.transactions <= MOST_TRANSACTIONS, listed


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("place", ["turns", "rerun", "summaries", "completions"])
def test_a_request_with_a_key_looks_for_it_once(api: Api, alice, openai_model, place, again) -> None:
    room = make_room(alice, make_agent(alice, "ana", openai_model))
    session = make_session(alice, room)
    if place in ("rerun", "summaries"):
        first = api.post(
            f"sessions/{session.pk}/turns", {"message": "@ana good day", "background": True}
        ).json()
        run(Turn.objects.get(pk=first["id"]), Statements())
    asked = {"message": "@ana good day", "background": True}
    path, body = {
        "turns": (f"/api/v1/sessions/{session.pk}/turns", asked),
        "rerun": (
            f"/api/v1/turns/{Turn.objects.values_list('pk', flat=True).first()}/rerun",
            {"background": True},
        ),
        "summaries": (f"/api/v1/sessions/{session.pk}/summaries", {"background": True}),
        "completions": (
            "/v1/chat/completions",
            {"model": f"room:{room.pk}", "messages": [{"role": "user", "content": "Hello"}], "stream": True},
        ),
    }[place]
    post = partial(
        api.client.post, path, body, content_type="application/json", headers={"Idempotency-Key": "k"}
    )
    if again:
        post()
    statements = Statements()
    with statements.counted():
        answer = post()
    assert answer.status_code in (200, 202), answer.content
    assert answer.has_header("Idempotent-Replayed") == again
    looks = [sql for sql in statements.said if sql.startswith("SELECT") and '"idempotency_key" = ' in sql]
    assert len(looks) == 1
