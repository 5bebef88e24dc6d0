"""`kill -9` around a request that the server refuses as too long: the refusal is kept, and costs nothing."""

from __future__ import annotations

from typing import Any

import pytest

from billing.models import Hold, UsageEvent
from orchestration.tests.providers import Answer, Gate
from sessions.models import Call, Turn
from sessions.services.turn_estimate import turn_estimate
from sessions.services.turn_request import TurnRequest
from sessions.tests.factories import make_agent, make_session
from sessions.tests.live.test_kill import new_server
from sessions.tests.support.budgeting import budget
from sessions.tests.support.ledger import assert_ledger_matches, assert_nothing_to_audit
from sessions.tests.support.server_process import ServerProcess, until
from sessions.tests.support.stalls import stall

__all__ = ["new_server"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

MESSAGE = "abc " * 7_000


@pytest.fixture
def session(alice, openai_model, openai_server) -> Any:
    openai_server.window = 8_192
    return make_session(alice, make_agent(alice, "ana", openai_model))


@pytest.fixture
def held(alice, session) -> Any:
    """A hard budget for this turn, and for a call that is lost and made again."""
    estimate = turn_estimate(user=alice, session=session, request=TurnRequest(message=MESSAGE))
    assert estimate.high_pico
    return budget(2 * estimate.high_pico)


def ask(server: ServerProcess, session: Any) -> Turn:
    status, turn = server.post(f"sessions/{session.pk}/turns", {"message": MESSAGE, "background": True})
    assert status == 202
    return Turn.objects.get(pk=turn["id"])


def finished(turn: Turn) -> Turn:
    until(lambda: not Turn.objects.active().exists())
    turn.refresh_from_db()
    return turn


def bill() -> list[tuple[str, str, int]]:
    """Return status, source and attempt of the turn's calls, in order."""
    events = {event.pk: event for event in UsageEvent.objects.all()}
    return [(call.status, events[call.pk].source, call.attempt) for call in Call.objects.order_by("number")]


def assert_paid(held: Any) -> None:
    assert not Hold.objects.filter(resolved_at=None).exists()
    assert held.periods.get().spent_pico == sum(event.cost_pico or 0 for event in UsageEvent.objects.all())
    assert held.periods.get().held_pico == 0


def test_killed_before_the_second_try_is_sent(new_server, session, held, openai_server) -> None:
    first = new_server()
    with stall("INSERT ON chat_sessions_call", when="NEW.attempt = 2") as second_try:
        turn = ask(first, session)
        second_try()
        call = Call.objects.get()
        assert (call.status, call.context["overflow_limit"]) == ("failed", 8_192)
        first.kill()
    new_server()
    assert finished(turn).status == "completed"
    # PostgreSQL carries out what it was sent: the row of a second try that was never made.
    refused, *_, answered = bill()
    assert (refused, answered[:2]) == (("failed", "none", 1), ("ok", "provider"))
    assert [exchange.status for exchange in openai_server.served] == [400, 200]
    assert_paid(held)
    assert_nothing_to_audit()


def test_killed_during_the_second_try(new_server, session, held, openai_server) -> None:
    gate = Gate()
    openai_server.queue(Answer(head_gate=gate), Answer("It fits."))
    first = new_server()
    turn = ask(first, session)
    gate.wait_until_reached()
    first.kill()
    gate.open()
    new_server()
    assert finished(turn).status == "completed"
    assert bill() == [("failed", "none", 1), ("interrupted", "estimated", 2), ("ok", "provider", 1)]
    _, lost, answered = openai_server.served
    assert answered.body == lost.body
    assert_paid(held)
    assert_ledger_matches(openai_server)
