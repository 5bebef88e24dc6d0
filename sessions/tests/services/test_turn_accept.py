"""Accepting a turn: the database detects conflicts, and a rejected turn leaves nothing behind."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import pytest
from django.db import connection, connections

from sessions.models import ChatSession, Message, Turn
from sessions.services.accept_once import AcceptedTurn, accept_once
from sessions.services.chats import session_rename
from sessions.services.turn_accept import turn_accept
from sessions.services.turn_request import TurnRequest
from sessions.tests.factories import make_agent, make_model, make_session, make_user
from sessions.tests.support.statements import before_statement
from web.errors import PantheonError

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


@pytest.fixture
def session(alice):
    return make_session(alice, make_agent(alice, "ana", make_model()))


def request(**fields) -> TurnRequest:
    return TurnRequest(**{"message": "hello", **fields})


def accept_with_key(user, session, *, key="k", digest="d", **fields) -> AcceptedTurn:
    wanted = request(idempotency_key=key, digest=digest, **fields)
    make = partial(turn_accept, user=user, session=session, request=wanted)
    return accept_once(user=user, key=key, digest=digest, make=make)


FIRST_WRITE = {"sqlite": "BEGIN", "postgresql": 'INSERT INTO "chat_sessions_turn"'}
"""The last moment at which a rival can come in between: SQLite has one writer from BEGIN IMMEDIATE on."""


@pytest.mark.parametrize("index", [1, None])
def test_of_two_requests_for_the_same_index_exactly_one_wins(alice, session, index) -> None:
    def rival() -> None:
        turn_accept(user=alice, session=session, request=request(message="rival", index=index))

    with (
        before_statement(FIRST_WRITE[connection.vendor], rival),
        pytest.raises(PantheonError) as caught,
    ):
        turn_accept(user=alice, session=session, request=request(index=index))
    assert caught.value.code == ("turn_conflict" if index else "turn_in_progress")
    if index:
        assert caught.value.details["expected"] == 2
    assert Turn.objects.count() == 1
    assert Message.objects.get().text == "rival"


READS_THE_END = "SELECT (SELECT MAX("
"""The first statement after the look for a known key."""


@pytest.mark.parametrize("index", [1, None])
@pytest.mark.parametrize("start", [READS_THE_END, FIRST_WRITE[connection.vendor]])
def test_the_same_key_at_once_is_one_turn(alice, session, start, index) -> None:
    made = []

    def rival() -> None:
        made.append(accept_with_key(alice, session, index=index))

    with before_statement(start, rival):
        accepted = accept_with_key(alice, session, index=index)
    assert accepted.replayed
    assert accepted.turn == made[0].turn
    assert Turn.objects.count() == 1


def test_a_key_that_another_session_uses_at_once_is_refused(alice, session) -> None:
    other = make_session(alice, session.agent)

    def rival() -> None:
        accept_with_key(alice, other, digest="o")

    with (
        before_statement(FIRST_WRITE[connection.vendor], rival),
        pytest.raises(PantheonError) as caught,
    ):
        accept_with_key(alice, session)
    assert caught.value.code == "idempotency_mismatch"
    assert not session.turns.exists()


def test_under_real_concurrency_exactly_one_wins(alice, session) -> None:
    barrier = threading.Barrier(8)
    outcomes: list[str] = []

    def ask() -> None:
        barrier.wait()
        try:
            turn_accept(user=alice, session=session, request=request(index=1))
            outcomes.append("won")
        except PantheonError as error:
            outcomes.append(error.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == ["turn_conflict"] * 7 + ["won"]
    assert Turn.objects.count() == 1


def test_the_order_of_checks(alice, session) -> None:
    accept = partial(accept_with_key, alice, session)
    first = accept().turn
    assert accept(index=9).turn == first
    refusals: list[tuple[dict[str, Any], str]] = [
        ({"digest": "other"}, "idempotency_mismatch"),
        ({"key": None, "index": 1}, "turn_conflict"),
        ({"key": None, "index": 3}, "turn_conflict"),
        ({"key": None, "index": 2}, "turn_in_progress"),
        ({"key": None}, "turn_in_progress"),
    ]
    for fields, code in refusals:
        with pytest.raises(PantheonError) as caught:
            accept(**fields)
        assert caught.value.code == code, fields


def test_a_known_key_is_answered_without_reading_the_request(alice, session) -> None:
    first = accept_with_key(alice, session).turn

    def make() -> Turn:
        raise AssertionError("a request that was accepted before is not read")

    accepted = accept_once(user=alice, key="k", digest="d", make=make)
    assert (accepted.turn, accepted.replayed) == (first, True)


def test_keys_belong_to_one_user(alice, session) -> None:
    bob = make_user("bob")
    bobs = make_session(bob, make_agent(bob, "ana", session.agent.model))
    accept_with_key(alice, session)
    assert not accept_with_key(bob, bobs, digest="e").replayed


def test_a_message_that_cannot_fit_is_refused_with_both_figures(alice) -> None:
    session = make_session(alice, make_agent(alice, "ana", make_model(context_window=8_192)))
    with pytest.raises(PantheonError) as caught:
        turn_accept(user=alice, session=session, request=request(message="word " * 10_000))
    assert caught.value.code == "context_overflow"
    assert caught.value.details["needed_tokens"] > caught.value.details["budget_tokens"] > 0
    assert not Turn.objects.exists()


def test_a_model_without_its_key_is_refused(alice, settings) -> None:
    model = make_model()
    model.provider.key_env = "NO_SUCH_KEY"
    model.provider.save()
    session = make_session(alice, make_agent(alice, "ana", model))
    with pytest.raises(PantheonError) as caught:
        turn_accept(user=alice, session=session, request=request())
    assert caught.value.code == "model_unavailable"


def test_the_first_message_names_the_session(alice, session) -> None:
    turn_accept(user=alice, session=session, request=request(message="  \nHow do we " + "x" * 200))
    session.refresh_from_db()
    assert session.title.startswith("How do we")
    assert len(session.title) <= 80


def test_a_rename_meanwhile_is_kept(alice, session) -> None:
    def rename() -> None:
        session_rename(session=session, title="Mine")

    with before_statement(FIRST_WRITE[connection.vendor], rename):
        turn_accept(user=alice, session=session, request=request())
    session.refresh_from_db()
    assert session.title == "Mine"
    assert ChatSession.objects.get(search_text__contains="mine") == session


def test_a_turn_that_ends_during_the_lookup_no_longer_conflicts(alice, session) -> None:
    first = turn_accept(user=alice, session=session, request=request())

    def end() -> None:
        Turn.objects.filter(pk=first.pk).update(status="completed", completed_at=first.created_at)

    with before_statement('SELECT %s AS "a" FROM "chat_sessions_turn"', end):
        second = turn_accept(user=alice, session=session, request=request())
    assert second.index == 2
