"""`recover_turns`: finishes turns whose process is gone, and leaves others alone."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from django.utils import timezone

from orchestration.tests.providers import Answer, Gate
from sessions.models import Turn
from sessions.services.leases import leases_renew, turn_claim
from sessions.services.turn_accept import turn_accept
from sessions.services.turn_request import TurnRequest
from sessions.tests.factories import make_agent, make_session
from sessions.tests.support.ledger import assert_ledger_matches
from sessions.tests.support.statements import in_thread

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

RUNNER = uuid.uuid4()
LONG_AGO = "2020-01-01T00:00:00Z"


@pytest.fixture
def accept(alice, openai_model):
    agent = make_agent(alice, "ana", openai_model)
    return lambda: turn_accept(
        user=alice, session=make_session(alice, agent), request=TurnRequest(message="Hello")
    )


def recover(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("recover_turns", *arguments, stdout=out)
    return out.getvalue().splitlines()


def test_nothing_to_recover() -> None:
    assert recover() == ["0 turns recovered"]


def test_turns_that_lost_their_process_and_turns_that_nobody_took(accept, openai_server) -> None:
    lost, waiting, backed_off = accept(), accept(), accept()
    turn_claim(turn_id=lost.pk, runner_id=RUNNER)
    Turn.objects.filter(pk=lost.pk).update(lease_expires_at=LONG_AGO)
    Turn.objects.filter(pk=waiting.pk).update(dispatch_after=LONG_AGO)
    later = timezone.now() + dt.timedelta(minutes=5)
    Turn.objects.filter(pk=backed_off.pk).update(dispatches=6, dispatch_after=later)
    *lines, count = recover()
    assert sorted(lines) == sorted(f"{turn.pk} completed" for turn in (lost, waiting, backed_off))
    assert count == "3 turns recovered"
    assert len(openai_server.served) == 3
    assert_ledger_matches(openai_server)


def lease_ends_in(seconds: float) -> None:
    """Do not wait for a lease as long as it is given."""
    Turn.objects.update(lease_expires_at=Now() + dt.timedelta(seconds=seconds))


def test_a_lease_that_nobody_renews_is_waited_for(accept) -> None:
    turn = accept()
    turn_claim(turn_id=turn.pk, runner_id=RUNNER)
    lease_ends_in(1.0)
    assert recover() == [f"{turn.pk} completed", "1 turn recovered"]
    assert Turn.objects.get().claim == 2


def test_a_turn_that_a_living_process_runs_is_left_to_it(accept, openai_server) -> None:
    turn = accept()
    turn_claim(turn_id=turn.pk, runner_id=RUNNER)
    lease_ends_in(5.0)  # due for renewal, which is after a third of its time
    over = threading.Event()

    def renew() -> None:
        leases_renew(runner_id=RUNNER, turn_ids=[turn.pk], received={})

    def live() -> None:
        while not over.wait(0.1):
            in_thread(renew)

    runner = threading.Thread(target=live)
    runner.start()
    try:
        assert recover() == ["0 turns recovered"]
    finally:
        over.set()
        runner.join()
    turn.refresh_from_db()
    assert (turn.status, turn.claim) == ("running", 1)
    assert openai_server.served == []


def test_what_takes_too_long_is_given_back(accept, openai_server) -> None:
    openai_server.queue(Answer(head_gate=Gate()))
    turn = accept()
    Turn.objects.update(dispatch_after=LONG_AGO)
    with pytest.raises(CommandError, match="1 not finished"):
        recover("--timeout-s=0.5")
    turn.refresh_from_db()
    assert (turn.status, turn.handovers) == ("queued", 1)
    assert recover() == [f"{turn.pk} completed", "1 turn recovered"]
    assert_ledger_matches(openai_server)
