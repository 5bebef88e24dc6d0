"""Turns whose runner died: claimed again, resumed from the journal, billed for lost calls."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from django.db.models.functions import Now

from accounts.tests.support.bodies import body_of
from billing.models import UsageEvent
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.dispatch import use_dispatcher
from sessions.events.eventlog import event_log
from sessions.live.runtime import runtime
from sessions.models import Call, Message, Turn
from sessions.services.leases import leases_renew, turn_claim, turns_hand_over, turns_to_recover
from sessions.services.turn_accept import turn_accept
from sessions.services.turn_cancel import turn_cancel
from sessions.services.turn_request import TurnRequest
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.services.test_turn_commit import finish_call
from sessions.tests.support.ledger import assert_ledger_matches
from sessions.tests.support.waiting import wait_for_event

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

RUNNER, OTHER = uuid.uuid4(), uuid.uuid4()


@pytest.fixture
def turn(alice, openai_model) -> Turn:
    agents = [make_agent(alice, key, openai_model) for key in ("ana", "bob")]
    session = make_session(alice, make_room(alice, *agents))
    return turn_accept(user=alice, session=session, request=TurnRequest(message="@all hello"))


def expire_leases() -> None:
    Turn.objects.update(lease_expires_at="2020-01-01T00:00:00Z")


def run_to_the_end(api: Api, turn: Turn) -> dict:
    use_dispatcher(runtime)
    runtime.start_recovery()
    stream = body_of(api.get(f"turns/{turn.pk}/events")).decode()
    assert '"type":"turn.' in stream
    return api.get(f"turns/{turn.pk}").json()


def test_exactly_one_runner_claims(turn) -> None:
    assert turn_claim(turn_id=turn.pk, runner_id=RUNNER) is not None
    assert turn_claim(turn_id=turn.pk, runner_id=OTHER) is None
    expire_leases()
    claimed = turn_claim(turn_id=turn.pk, runner_id=OTHER)
    assert claimed is not None
    assert claimed.claim == 2


def test_a_renewed_lease_keeps_the_turn_and_brings_the_cancel(turn) -> None:
    turn_claim(turn_id=turn.pk, runner_id=RUNNER)
    expire_leases()
    renewal = leases_renew(runner_id=RUNNER, turn_ids=[turn.pk], received={})
    assert renewal.claims == {turn.pk: 1}
    assert renewal.cancelled == set()
    assert turn_claim(turn_id=turn.pk, runner_id=OTHER) is None
    turn_cancel(turn=turn)
    assert leases_renew(runner_id=RUNNER, turn_ids=[turn.pk], received={}).cancelled == {turn.pk}
    assert leases_renew(runner_id=OTHER, turn_ids=[turn.pk], received={}).claims == {}


def test_a_turn_whose_run_broke_keeps_no_lease(turn) -> None:
    """It is not among those that the process says it runs, so its lease runs out although others' are renewed."""
    turn_claim(turn_id=turn.pk, runner_id=RUNNER)
    expire_leases()
    assert leases_renew(runner_id=RUNNER, turn_ids=[], received={}).claims == {}
    assert turn_claim(turn_id=turn.pk, runner_id=OTHER) is not None


def test_unclaimed_turns_are_dispatched_again_with_growing_pauses(turn) -> None:
    assert turns_to_recover() == []
    Turn.objects.update(dispatch_after=Now())
    assert turns_to_recover() == [turn.pk]
    assert turns_to_recover() == []
    first = Turn.objects.get().dispatch_after
    Turn.objects.update(dispatch_after=Now())
    assert turns_to_recover() == [turn.pk]
    second = Turn.objects.get().dispatch_after
    assert (second - first).total_seconds() > 5


def test_a_resumed_turn_asks_only_what_was_not_answered(api, turn, openai_server: OpenAIServer) -> None:
    claimed = turn_claim(turn_id=turn.pk, runner_id=RUNNER)
    assert claimed is not None
    finish_call(claimed, "ana", 1)
    openai_server.queue(Answer("From Bob"))
    expire_leases()
    body = run_to_the_end(api, turn)
    assert body["status"] == "completed"
    assert [message["text"] for message in body["messages"]] == ["Answer 1", "From Bob"]
    assert len(openai_server.served) == 1
    assert UsageEvent.objects.count() == 2


@pytest.mark.parametrize(("half", "tokens"), [("Half ", 2), ("Половина ", 5), ("半分の", 3)])
def test_an_interrupted_call_is_billed_as_estimated_and_repeated(
    api, turn, openai_server, half, tokens
) -> None:
    gate, bob_gate = Gate(), Gate()
    bob_waits = Answer("From Bob", at={0: Hold(bob_gate)})
    openai_server.when("You are ana.", Answer([half, "an answer"], at={1: Hold(gate)}), Answer("Whole."))
    openai_server.when("You are bob.", bob_waits, always=True)
    use_dispatcher(runtime)
    runtime.submit(turn.pk)
    gate.wait_until_reached()
    bob_gate.wait_until_reached()
    wait_for_event(turn.pk, f'"text":"{half}"')
    runtime.stop()
    bob_gate.open()
    turn.refresh_from_db()
    assert (turn.status, turn.claim, turn.handovers) == ("queued", 1, 1)
    body = run_to_the_end(api, turn)
    assert body["status"] == "completed"
    assert {message["text"] for message in body["messages"]} == {"Whole.", "From Bob"}
    interrupted = UsageEvent.objects.filter(status="interrupted")
    assert {(event.agent_key, event.source, event.input_tokens > 0) for event in interrupted} == {
        ("ana", "estimated", True),
        ("bob", "estimated", True),
    }
    assert interrupted.get(agent_key="ana").output_tokens == tokens
    assert UsageEvent.objects.count() == len(openai_server.served)
    assert len({call.step_id for call in Call.objects.filter(agent_key="ana")}) == 2
    assert not Call.objects.filter(committed=False).exists()


def test_readers_of_a_resumed_turn_begin_with_a_snapshot(api, turn) -> None:
    turn_claim(turn_id=turn.pk, runner_id=RUNNER)
    expire_leases()
    run_to_the_end(api, turn)
    entries = asyncio.run(event_log.after(turn.pk, 0))
    assert entries is not None
    assert entries[0].seq == 1_000_001
    assert entries[0].type == "turn.snapshot"
    assert Turn.objects.get().last_event_seq == entries[-1].seq


def test_after_three_claims_the_turn_ends_with_what_there_is(api, turn, openai_server) -> None:
    claimed = turn_claim(turn_id=turn.pk, runner_id=RUNNER)
    assert claimed is not None
    finish_call(claimed, "ana", 1)
    for _ in range(2):
        expire_leases()
        assert turn_claim(turn_id=turn.pk, runner_id=RUNNER) is not None
    expire_leases()
    body = run_to_the_end(api, turn)
    assert body["status"] == "partial"
    assert body["error"]["code"] == "internal_error"
    assert openai_server.served == []
    assert UsageEvent.objects.count() == 1


def test_a_handed_over_turn_does_not_lose_an_attempt(turn) -> None:
    for _ in range(5):
        assert turn_claim(turn_id=turn.pk, runner_id=RUNNER) is not None
        assert turns_hand_over(runner_id=RUNNER, received={}) == [turn.pk]
    claimed = turn_claim(turn_id=turn.pk, runner_id=RUNNER)
    assert claimed is not None
    assert claimed.claim == 6
    assert not claimed.exhausted


def test_a_cancel_without_a_runner_is_carried_out_by_the_next(api, turn, openai_server) -> None:
    turn_claim(turn_id=turn.pk, runner_id=RUNNER)
    turn_cancel(turn=turn)
    expire_leases()
    body = run_to_the_end(api, turn)
    assert body["status"] == "cancelled"
    assert openai_server.served == []
    assert_ledger_matches(openai_server)
    assert Message.objects.get().role == "user"
