"""A turn whose commit the database refuses because of a value ends as failed, with its calls billed."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from billing.models import Hold, UsageEvent
from billing.services.budgets import budget_save
from billing.tests.support.budgets import make_budget
from orchestration.tests.providers import Answer, Gate, OpenAIServer
from sessions.models import Call, Message, Turn
from sessions.services.calls import TurnCalls
from sessions.services.fence import FenceLost
from sessions.services.turn_give_up import turn_give_up
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.services.test_turn_commit import claimed_turn
from sessions.tests.support.ledger import assert_ledger_matches, assert_nothing_to_audit
from sessions.tests.support.waiting import wait_for_event

pytestmark = pytest.mark.django_db(transaction=True)


def test_answers_that_cannot_be_stored_end_the_turn_and_are_billed(
    alice, api: Api, openai_model, openai_server: OpenAIServer
) -> None:
    budget_save(budget=make_budget(usd=1000))
    gate = Gate()
    openai_server.default = Answer("Good day.", head_gate=gate)
    session = make_session(alice, make_room(alice, make_agent(alice, "ana", openai_model)))
    body = {"message": "@ana hello", "background": True}
    turn = Turn.objects.get(pk=api.post(f"sessions/{session.pk}/turns", body).json()["id"])
    gate.wait_until_reached()
    other = Turn.objects.create(
        session=session, user=alice, index=9, mode="manual", status="failed", completed_at=turn.created_at
    )
    Message.objects.create(session=session, turn=other, seq=2, role="agent", text="In its place")
    gate.open()
    wait_for_event(turn.pk, '"type":"turn.failed"')
    turn.refresh_from_db()
    assert (turn.status, turn.claim) == ("failed", 1)
    assert turn.error is not None
    assert turn.error["message"] == "The answers could not be stored."
    assert turn.error["details"]["reason"].startswith("IntegrityError")
    assert UsageEvent.objects.get(turn_id=turn.pk).status == "ok"
    assert not Hold.objects.filter(resolved_at=None).exists()
    other.delete()
    assert_ledger_matches(openai_server)
    assert_nothing_to_audit()


@pytest.fixture
def claimed(alice: Any, nobody_runs: None) -> Any:
    budget_save(budget=make_budget(usd=1000))
    claimed, _ = claimed_turn(alice, calls=2)
    return claimed


def give_up(claimed: Any) -> Turn:
    calls = list(Call.objects.filter(turn_id=claimed.turn_id).order_by("number"))
    for call in calls:
        call.latency_ms = -1
    written = TurnCalls(calls, ended=[*calls])
    turn_give_up(claimed=claimed, last_event_seq=7, written=written, error=ValueError("Secret text"))
    return Turn.objects.get(pk=claimed.turn_id)


def test_calls_that_are_refused_too_are_billed_by_their_counts(claimed) -> None:
    turn = give_up(claimed)
    assert turn.status == "failed"
    assert "Secret" not in str(turn.error)
    events = UsageEvent.objects.filter(turn_id=turn.pk).order_by("output_tokens")
    assert [(event.input_tokens, event.output_tokens) for event in events] == [(100, 10), (100, 20)]
    assert not Hold.objects.filter(resolved_at=None).exists()
    assert_nothing_to_audit()


def test_a_turn_ends_even_if_a_call_cannot_be_billed(claimed) -> None:
    call = Call.objects.filter(turn_id=claimed.turn_id).first()
    assert call is not None
    taken = UsageEvent(
        id=call.pk,
        user_id=uuid.uuid4(),
        session_id=uuid.uuid4(),
        turn_id=uuid.uuid4(),
        mode="manual",
        purpose="reply",
        provider="x",
        model_id=call.model_id,
        model_asked="x",
        source="none",
        status="ok",
    )
    taken.save(force_insert=True)
    turn = give_up(claimed)
    assert turn.status == "failed"
    assert not UsageEvent.objects.filter(turn_id=turn.pk).exists()
    assert not Hold.objects.filter(resolved_at=None).exists()


def test_a_turn_that_another_runner_holds_is_left_alone(claimed) -> None:
    Turn.objects.update(claim=5)
    with pytest.raises(FenceLost):
        give_up(claimed)
    assert Turn.objects.get().status == "running"
