"""The audit finds each breach made on purpose, and nothing in a consistent ledger."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import QuerySet

from billing.models import (
    UsageEvent,
)
from billing.services.usage import usage_stage
from billing.tests.support.append_only import changes_allowed
from orchestration.models import LlmModel
from sessions.models import Call, Message, Turn
from sessions.selectors.ledger_audit import INVARIANTS
from sessions.services.fork import session_fork
from sessions.services.snapshot import payer_of, spec_of
from sessions.services.turn_commit import metered_call_of, models_of
from sessions.tests.support.audit import audit, broken, call, copy_of, running, turn

__all__ = ["call", "running", "turn"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nobody_runs")]


def stage(turn: Turn) -> None:
    with transaction.atomic():
        models = models_of(spec_of(turn))
        calls = [metered_call_of(call, models[str(call.model_id)]) for call in turn.calls.all()]
        usage_stage(payer=payer_of(turn), calls=calls)


def test_books_in_order(turn) -> None:
    assert broken() == {}
    assert audit().count(": ok") == len(INVARIANTS) == 8


def test_a_breach_is_shown_and_is_the_exit_code(turn, call) -> None:
    Call.objects.filter(pk=call.pk).delete()
    out = StringIO()
    with pytest.raises(CommandError, match="1 of 8 checks failed") as error:
        call_command("audit_ledger", stdout=out)
    assert error.value.returncode == 1
    assert f"2. every call is recorded exactly once: broken\n   without a call: event {call.pk}" in (
        out.getvalue()
    )


def test_of_many_breaches_some_are_shown(turn) -> None:
    Call.objects.filter(turn=turn).delete()
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("audit_ledger", "--show=1", stdout=out)
    assert out.getvalue().count("without a call") == 1
    assert "and more" in out.getvalue()


def test_1_a_final_turn_with_a_call_left_out(turn, call) -> None:
    Call.objects.filter(pk=call.pk).update(committed=False)
    assert broken() == {1: [f"not committed with its final turn: call {call.pk}"]}


def test_1_a_turn_that_was_billed_before_its_end(running) -> None:
    call = running.calls.get()
    stage(running)
    assert broken() == {1: [f"billed before its turn was final: event {call.pk}"]}


def test_1_a_turn_that_committed_a_call_before_its_end(running) -> None:
    stage(running)
    running.calls.update(committed=True)
    assert len(broken()[1]) == 2


def test_1_a_final_turn_without_answers(turn) -> None:
    Message.objects.filter(turn=turn).exclude(role="user").delete()
    lost = turn.calls.order_by("pk")
    assert broken() == {
        1: [
            *(f"without a message of its answer: call {call.pk}" for call in lost),
            f"without an answer: completed turn {turn.pk}",
        ]
    }


@pytest.mark.parametrize("purpose", ["reply", "synthesize"])
@pytest.mark.parametrize("status", ["completed", "partial", "cancelled"])
def test_1_an_answer_that_is_gone(turn, call, purpose, status) -> None:
    Call.objects.filter(pk=call.pk).update(purpose=purpose)
    Turn.objects.filter(pk=turn.pk).update(status=status)
    assert broken() == {}
    Message.objects.filter(pk=call.step_id).delete()
    assert broken() == {1: [f"without a message of its answer: call {call.pk}"]}


@pytest.mark.parametrize("changes", [{"purpose": "route"}, {"status": "failed"}, {"status": "cancelled"}])
def test_1_silent_calls_need_no_message(turn, call, changes) -> None:
    Call.objects.filter(pk=call.pk).update(**changes)
    Message.objects.filter(pk=call.step_id).delete()
    assert 1 not in broken()


def test_1_a_turn_that_was_given_up_has_lost_its_answers_lawfully(turn) -> None:
    Message.objects.filter(turn=turn).exclude(role="user").delete()
    Turn.objects.filter(pk=turn.pk).update(status="failed")
    assert broken() == {}


def test_1_the_message_of_a_person_that_is_gone(turn) -> None:
    Message.objects.get(turn=turn, role="user").delete()
    assert broken() == {1: [f"without a user message: final turn {turn.pk}"]}


def test_1_forks_summaries_and_purged_sessions_lack_nothing(turn, alice, running) -> None:
    session_fork(user=alice, session=turn.session, after_turn=1)
    summary = copy_of(turn, mode="summary", index=None)
    summary.save()
    assert broken() == {}
    turn.session.delete()
    assert broken() == {}


def test_1_an_answer_before_the_end(turn, running) -> None:
    Message.objects.filter(turn=turn, role="agent").update(turn=running)
    assert len(broken()[1]) == 5


def test_1_a_final_turn_whose_last_event_nobody_knows(turn) -> None:
    Turn.objects.filter(pk=turn.pk).update(last_event_seq=None)
    assert broken() == {1: [f"without a last event: final turn {turn.pk}"]}


def test_2_a_call_without_event(turn, call) -> None:
    lost = copy_of(call, number=9, attempt=2)
    lost.save()
    assert broken() == {2: [f"without an event: call {lost.pk}"]}


def test_2_an_event_of_another_turns_call(turn, running, call) -> None:
    Call.objects.filter(pk=call.pk).update(turn=running, number=9, committed=False)
    assert broken() == {2: [f"without a call: event {call.pk}"]}


def test_2_an_event_outlives_the_turn_that_was_erased_with_its_person(turn) -> None:
    turn.session.delete()
    assert UsageEvent.objects.count() == 2
    assert broken() == {}


@pytest.mark.parametrize(
    ("name", "value"), [("status", "failed"), ("source", "estimated"), ("output_tokens", 99), ("model", None)]
)
def test_2_an_event_that_is_not_as_its_call_was(turn, running, call, name, value) -> None:
    if name == "model":
        value = LlmModel.objects.get(alias="another").pk
    with changes_allowed():
        QuerySet(UsageEvent).filter(pk=call.pk).update(**{name: value})
    told = name.removesuffix("_tokens")
    assert broken()[2] == [f"event {call.pk} differs from its call: {told}"]


def test_2_a_call_that_has_lost_its_usage(turn, call) -> None:
    Call.objects.filter(pk=call.pk).update(usage=None)
    [line] = broken()[2]
    assert "source, input, cache_read" in line
