"""The commit of a turn is all or nothing, at each of its statements."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import Budget, BudgetNotice, BudgetPeriod, DailyUsage, Hold, UsageEvent
from billing.services.budgets import budget_save
from orchestration.engine.context import build_request, reply_prompt
from orchestration.engine.ports import CallIntent, CallOutcome
from orchestration.engine.purposes import Purpose
from orchestration.engine.result import TurnResult
from orchestration.engine.specs import Usage, UsageReport
from orchestration.engine.steps import StepResult
from sessions.models import Call, Message, Turn
from sessions.services.calls import TurnCalls, call_close, call_of_intent, calls_write
from sessions.services.fence import FenceLost
from sessions.services.leases import ClaimedTurn, turn_claim
from sessions.services.turn_accept import turn_accept
from sessions.services.turn_commit import turn_commit
from sessions.services.turn_request import TurnRequest
from sessions.tests.factories import make_agent, make_model, make_room, make_session
from sessions.tests.support.statements import BrokenHere, break_statement

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


@pytest.fixture(autouse=True)
def _budgets(db: None) -> None:
    """Every turn here has a hold to settle and a threshold to pass."""
    budget_save(budget=Budget(scope="everyone", limit_pico=10**15))
    budget_save(budget=Budget(scope="everyone", limit_pico=1, hard=False))


def claimed_turn(alice, calls: int) -> tuple[ClaimedTurn, TurnResult]:
    """A claimed turn whose agents have all answered, each call in the journal."""
    model = make_model(alias=f"model-{calls}")
    agents = [make_agent(alice, f"a{calls}-{number}", model) for number in range(calls)]
    session = make_session(alice, make_room(alice, *agents))
    turn = turn_accept(user=alice, session=session, request=TurnRequest(message="@all hello"))
    claimed = turn_claim(turn_id=turn.pk, runner_id=uuid.uuid4())
    assert claimed is not None
    answers = [
        finish_call(claimed, key, number) for number, key in enumerate(claimed.spec.addressed, start=1)
    ]
    return claimed, TurnResult("completed", tuple(answers))


def start_call(claimed: ClaimedTurn, key: str, number: int) -> CallIntent:
    agent = claimed.spec.agent(key)
    request, audit = build_request(claimed.spec, reply_prompt(claimed.spec, agent))
    call_id, step_id = str(uuid.uuid4()), str(uuid.uuid4())
    intent = CallIntent(call_id, step_id, f"reply:1:{key}", 1, request, agent, 1, audit)
    begun = call_of_intent(turn_id=claimed.turn_id, claim=claimed.claim, number=number, intent=intent)
    calls_write(turn_id=claimed.turn_id, claim=claimed.claim, new_call=begun)
    return intent


def finish_call(claimed: ClaimedTurn, key: str, number: int) -> StepResult:
    intent, agent = start_call(claimed, key, number), claimed.spec.agent(key)
    report = UsageReport(Usage(input=100, output=10 * number), "provider", {"prompt_tokens": 100})
    outcome = CallOutcome(intent.call_id, "ok", f"Answer {number}", report)
    call = Call.objects.get(pk=intent.call_id)
    call_close(call, outcome, at=timezone.now())
    calls_write(turn_id=claimed.turn_id, claim=claimed.claim, ended_calls=[call])
    return StepResult(
        intent.step_id, Purpose.REPLY, agent, 1, agent.model.alias, "complete", f"Answer {number}"
    )


def commit(claimed: ClaimedTurn, result: TurnResult) -> None:
    written = TurnCalls(list(Call.objects.filter(turn_id=claimed.turn_id).order_by("number")))
    turn_commit(claimed=claimed, result=result, last_event_seq=7, written=written)


def assert_nothing() -> None:
    assert Turn.objects.get().status == "running"
    assert not UsageEvent.objects.exists()
    assert not DailyUsage.objects.exists()
    assert not Message.objects.exclude(role="user").exists()
    assert list(Call.objects.values_list("committed", flat=True)) == [False, False]
    assert "" not in Call.objects.values_list("text", flat=True)
    assert not BudgetPeriod.objects.exclude(spent_pico=0).exists()
    assert Hold.objects.get().resolved_at is None
    assert BudgetPeriod.objects.get(budget__hard=True).held_pico == Hold.objects.get().amount_pico > 0
    assert not BudgetNotice.objects.exists()


def assert_all() -> None:
    turn = Turn.objects.get()
    assert (turn.status, turn.last_event_seq) == ("completed", 7)
    assert turn.completed_at is not None
    assert [m.text for m in Message.objects.order_by("seq")] == ["@all hello", "Answer 1", "Answer 2"]
    cost = 200 * 2_000_000 + 30 * 10_000_000
    assert sum(event.cost_pico or 0 for event in UsageEvent.objects.all()) == cost
    assert sum(row.cost_pico for row in DailyUsage.objects.all()) == cost
    assert set(UsageEvent.objects.values_list("pk", flat=True)) == set(
        Call.objects.values_list("pk", flat=True)
    )
    assert list(Call.objects.values_list("committed", "text")) == [(True, ""), (True, "")]
    assert set(BudgetPeriod.objects.values_list("spent_pico", "held_pico")) == {(cost, 0)}
    assert Hold.objects.get().resolved_at is not None
    assert list(BudgetNotice.objects.order_by("threshold").values_list("threshold", flat=True)) == [
        50,
        80,
        100,
    ]


def test_a_commit_that_breaks_at_any_statement_leaves_nothing(alice) -> None:
    claimed, result = claimed_turn(alice, 2)
    number = 1
    while True:
        with break_statement(number) as seen:
            try:
                commit(claimed, result)
            except BrokenHere:
                broken = True
            else:
                broken = False
        if not broken:
            break
        assert_nothing()
        number += 1
    assert_all()
    assert number > 8
    assert any("billing_usageevent" in sql for sql in seen)
    assert any("billing_dailyusage" in sql for sql in seen)
    assert any("billing_budgetperiod" in sql for sql in seen)
    assert any("billing_hold" in sql for sql in seen)


def test_a_commit_is_made_once(alice) -> None:
    claimed, result = claimed_turn(alice, 2)
    commit(claimed, result)
    with pytest.raises(FenceLost):
        commit(claimed, result)
    assert_all()


def test_an_old_claim_writes_nothing(alice) -> None:
    claimed, result = claimed_turn(alice, 2)
    Turn.objects.update(claim=2)
    with pytest.raises(FenceLost):
        commit(claimed, result)
    with pytest.raises(FenceLost):
        finish_call(claimed, claimed.spec.addressed[0], 3)
    assert_nothing()


def test_the_number_of_statements_does_not_grow_with_the_calls(alice) -> None:
    Budget.objects.filter(hard=False).delete()  # a threshold is told once
    counts = []
    for calls in (1, 12):
        claimed, result = claimed_turn(alice, calls)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            commit(claimed, result)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[0] <= 18
