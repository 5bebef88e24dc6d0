"""Many concurrent turns with a budget for a known number of them: never more are accepted."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from billing.models import Budget, BudgetPeriod, Hold, UsageEvent
from billing.selectors.price_book import prices_now
from billing.services.budgets import budget_save
from orchestration.engine.specs import Usage
from orchestration.tests.providers import Answer, Served
from sessions.live.runtime import runtime
from sessions.models import ChatSession, Turn
from sessions.services.leases import turn_claim
from sessions.services.turn_accept import turn_accept
from sessions.services.turn_estimate import turn_estimate
from sessions.services.turn_request import TurnRequest
from sessions.tests.factories import RATES, bearer, make_agent, make_session, make_user
from sessions.tests.services.test_turn_commit import start_call
from sessions.tests.support.budgeting import a_day_ago
from sessions.tests.support.ledger import assert_ledger_matches, assert_nothing_to_audit
from sessions.tests.support.server_process import ServerProcess, until
from web.errors import PantheonError

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

MESSAGE = TurnRequest(message="hello")
USAGE = Usage(input=100, output=1_000)
COST = 100 * RATES["input_pico"] + 1_000 * RATES["output_pico"]


@pytest.fixture
def sessions(alice, openai_model) -> list[ChatSession]:
    agent = make_agent(alice, "ana", openai_model)
    return [make_session(alice, agent) for _ in range(24)]


def bound(session: ChatSession) -> int:
    """What one turn holds."""
    estimate = turn_estimate(user=session.owner, session=session, request=MESSAGE)
    assert estimate.high_pico is not None
    return estimate.high_pico


def at_once(sessions: list[ChatSession], threads: int) -> Counter[str]:
    """Ask in all sessions from several threads that start together; return what came of it."""
    barrier = threading.Barrier(threads)

    def ask(part: list[ChatSession]) -> list[str]:
        barrier.wait(30)
        try:
            return [outcome(session) for session in part]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(threads) as pool:
        parts = pool.map(ask, [sessions[number::threads] for number in range(threads)])
        return Counter(code for part in parts for code in part)


def outcome(session: ChatSession) -> str:
    try:
        turn_accept(user=session.owner, session=session, request=MESSAGE)
    except PantheonError as error:
        return error.code
    return "accepted"


@pytest.mark.parametrize("scope", ["total", "each", "own"])
def test_parallel_turns_hold_no_more_than_there_is(sessions, alice, scope) -> None:
    one = bound(sessions[0])
    fields: dict[str, Any] = {"applies": "each"} if scope == "each" else {}
    if scope == "own":
        fields = {"scope": "user", "target_id": alice.pk}
    made = budget_save(budget=Budget(**{"scope": "everyone", "limit_pico": 5 * one + one // 2, **fields}))
    assert at_once(sessions, threads=8) == {"accepted": 5, "budget_exceeded": 19}
    assert Turn.objects.count() == Hold.objects.count() == 5
    assert made.periods.get().held_pico == 5 * one
    assert_nothing_to_audit()


def test_a_budget_created_during_accepts_and_commits_misses_none(sessions, openai_server) -> None:
    """Whatever is committed before, while and after the budget appears: what it has spent is what its events cost."""
    openai_server.default = Answer("Yes.", usage=USAGE)

    def run(part: list[ChatSession]) -> None:
        try:
            for session in part:
                runtime.submit(turn_accept(user=session.owner, session=session, request=MESSAGE).pk)
        finally:
            connections.close_all()

    def budgets() -> None:
        try:
            for period in ("day", "month") * 6:
                budget_save(budget=Budget(scope="everyone", period=period, limit_pico=10**15))
                budget_save(
                    budget=Budget(
                        scope="everyone", period=period, applies="each", limit_pico=10**15, hard=False
                    )
                )
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(run, sessions[number::3]) for number in range(3)] + [pool.submit(budgets)]
        for job in jobs:
            job.result(60)
    until(lambda: not Turn.objects.active().exists())
    assert UsageEvent.objects.count() == len(sessions)
    assert Budget.objects.count() == 24
    total = len(sessions) * COST
    assert set(BudgetPeriod.objects.values_list("spent_pico", "held_pico")) == {(total, 0)}
    assert_ledger_matches(openai_server)


def left_by_dead_runners(sessions: list[ChatSession]) -> list[Turn]:
    """Return a turn of each session whose runner died while a model answered."""
    turns = [turn_accept(user=session.owner, session=session, request=MESSAGE) for session in sessions]
    for turn in turns:
        claimed = turn_claim(turn_id=turn.pk, runner_id=uuid.uuid4())
        assert claimed is not None
        start_call(claimed, "ana", 1)
    Turn.objects.update(lease_expires_at="2020-01-01T00:00:00Z")
    return turns


def take_over(turns: list[Turn]) -> None:
    try:
        for turn in turns:
            assert turn_claim(turn_id=turn.pk, runner_id=uuid.uuid4()) is not None
    finally:
        connections.close_all()


@pytest.mark.parametrize("period", ["day", "month"])
def test_turns_taken_over_while_others_are_accepted_do_not_overhold(sessions, openai_server, period) -> None:
    """Some of them since the last period, whose holds the new ones have to see."""
    openai_server.default = Answer("Yes.", usage=USAGE)
    one = bound(sessions[0])
    made = budget_save(budget=Budget(scope="everyone", period=period, limit_pico=9 * one + one // 2))
    before = left_by_dead_runners(sessions[:4])
    if period == "day":
        a_day_ago(made)
    since = left_by_dead_runners(sessions[4:6])
    turns = [*before, *since]
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(take_over, turns[number::3]) for number in range(3)]
        asked = pool.submit(at_once, sessions[6:], 4)
        for job in jobs:
            job.result(60)
        assert asked.result(60)["accepted"] in (2, 3)  # the third, where the others were not taken over yet
    held = sum(BudgetPeriod.objects.values_list("held_pico", flat=True))
    assert 8 * one < held <= made.limit_pico
    assert_nothing_to_audit()
    Turn.objects.filter(status="running").update(lease_expires_at="2020-01-01T00:00:00Z")
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(at_once, sessions[6:], 4)
        for turn in Turn.objects.active():
            runtime.submit(turn.pk)
        asked.result(60)
    until(lambda: not Turn.objects.filter(pk__in=[turn.pk for turn in turns]).active().exists())
    assert set(Turn.objects.filter(pk__in=[turn.pk for turn in turns]).values_list("status", flat=True)) == {
        "completed"
    }
    today = made.periods.order_by("start").last()
    assert today is not None
    assert today.spent_pico + today.held_pico <= made.limit_pico
    assert_nothing_to_audit()


@pytest.fixture
def servers(alice, tmp_path) -> Iterator[list[ServerProcess]]:
    started: list[ServerProcess] = []
    yield started
    for server in started:
        server.kill()
        print(server.log())  # noqa: T201  (shown where the test failed)


def test_workers_killed_in_between_overspend_nothing(
    sessions, alice, openai_server, servers, tmp_path
) -> None:
    """Turns are asked for again and again until nothing more fits, and the server is killed twice meanwhile.

    What a killed call is billed is an estimate, below what it may cost; so the limit is never passed, and what is left
    in the end pays for no further turn.
    """
    one = bound(sessions[0])
    made = budget_save(budget=Budget(scope="user", target_id=alice.pk, limit_pico=4 * one))
    openai_server.default = Answer(["Yes"] * 20, usage=USAGE, delay_s=0.02)
    authorization = bearer(alice)

    def start() -> ServerProcess:
        server = ServerProcess(
            tmp_path, authorization, PANTHEON_TURNS_PER_MINUTE="0", PANTHEON_TOKEN_TURNS_PER_MINUTE="0"
        )
        servers.append(server)
        return server.start().wait_until_up()

    server = start()
    kills, refused = 2, 0
    asked = 0
    while refused < len(sessions):
        session = sessions[asked % len(sessions)]
        asked += 1
        status, body = server.post(f"sessions/{session.pk}/turns", {"message": "hello", "background": True})
        held = BudgetPeriod.objects.get().held_pico
        assert BudgetPeriod.objects.get().spent_pico + held <= made.limit_pico
        if status == 402 and kills and held:
            server.kill()
            kills -= 1
            server = start()
        elif status == 402 and held:
            until(lambda: BudgetPeriod.objects.filter(held_pico__lt=one).exists())
        refused = refused + 1 if status == 402 and not held else 0
        assert status in (202, 402, 409), body
    until(lambda: not Turn.objects.active().exists())
    assert kills == 0
    period = made.periods.get()
    assert period.held_pico == 0
    assert made.limit_pico - one < period.spent_pico <= made.limit_pico
    assert not Hold.objects.filter(resolved_at=None).exists()
    # A call that was written down and killed before it was sent is billed as well; none that was sent is missing. One
    # that was killed when it had been told what it used, and had not written that down, is billed as an estimate.
    told = {served.request_id for served in map(Served.wait, openai_server.served) if served.usage_told}
    billed = set(UsageEvent.objects.values_list("provider_request_id", flat=True))
    assert len(told - billed) <= UsageEvent.objects.filter(status="interrupted").count()
    assert UsageEvent.objects.count() >= len(openai_server.served)
    assert_nothing_to_audit()


def test_two_people_share_a_total_and_not_what_each_has(sessions, alice, openai_model) -> None:
    bob = make_user("rob")
    agent = make_agent(bob, "ana", openai_model)
    theirs = [make_session(bob, agent) for _ in range(12)]
    one = bound(sessions[0])
    budget_save(budget=Budget(scope="everyone", applies="each", limit_pico=3 * one))
    budget_save(budget=Budget(scope="everyone", limit_pico=5 * one))
    found = at_once(
        [session for pair in zip(sessions[:12], theirs, strict=True) for session in pair], threads=6
    )
    assert found == {"accepted": 5, "budget_exceeded": 19}
    mine = Turn.objects.filter(user=alice).count()
    assert mine in (2, 3)
    assert_nothing_to_audit()


def test_the_reads_of_an_accept_do_not_grow_with_the_budgets(sessions, alice) -> None:
    prices_now()  # the process knows them from now on
    counts = []
    for number in (1, 20):
        for _ in range(number):
            budget_save(budget=Budget(scope="everyone", limit_pico=10**15))
        with CaptureQueriesContext(connection) as queries:
            turn_accept(user=alice, session=sessions[number], request=MESSAGE)
        counts.append(len(queries))
    assert counts[0] == counts[1]
