"""The database is down in mid-turn: answers are kept for a lease, readers wait, nothing counts twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import OperationalError

from accounts.models import User
from billing.models import UsageEvent
from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.api.events import read_events
from sessions.dispatch import use_dispatcher
from sessions.events.entries import Entry
from sessions.events.eventlog import event_log
from sessions.live.database import Database
from sessions.live.runtime import WorkerLoop, runtime
from sessions.models import Call, Turn
from sessions.services.turn_accept import turn_accept
from sessions.services.turn_request import TurnRequest
from sessions.tests.factories import make_agent, make_session
from sessions.tests.support.ledger import assert_ledger_matches, assert_nothing_to_audit
from sessions.tests.support.outage import cut_connections, outage
from sessions.tests.support.running import runner_on
from sessions.tests.support.server_process import until

pytestmark = pytest.mark.django_db(transaction=True)

on_postgres = pytest.mark.skipif(
    django_settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"),
    reason="SQLite is a file: it does not go away",
)


@pytest.fixture
def ask(alice, openai_model) -> Callable[[], Turn]:
    def ask() -> Turn:
        session = make_session(alice, make_agent(alice, "ana", openai_model))
        return turn_accept(user=alice, session=session, request=TurnRequest(message="hello"))

    return ask


def is_final(turn: Turn) -> bool:
    return Turn.objects.filter(pk=turn.pk, status__in=Turn.FINAL).exists()


@on_postgres
def test_an_answer_waits_for_a_database_that_comes_back(ask, openai_server: OpenAIServer, caplog) -> None:
    gate = Gate()
    openai_server.queue(Answer(["Good ", "day."], at={1: Hold(gate)}))
    turn = ask()
    gate.wait_until_reached()
    with outage():
        gate.open()
        openai_server.wait_served(1)
        until(lambda: "retrying turn_commit" in caplog.text)
        until(lambda: "leases could not be renewed" in caplog.text)
    until(lambda: is_final(turn))
    turn.refresh_from_db()
    assert (turn.status, turn.claim) == ("completed", 1)
    assert_ledger_matches(openai_server)


@on_postgres
def test_after_a_lease_the_turn_is_anybodys(ask, openai_server: OpenAIServer, settings, caplog) -> None:
    """The runner gives up; the next one bills the call as an estimate and makes it again."""
    settings.PANTHEON_LEASE_S = 1.0
    gate = Gate()
    openai_server.queue(Answer(["Good ", "day."], at={1: Hold(gate)}), Answer("Good evening."))
    turn = ask()
    gate.wait_until_reached()
    with outage():
        gate.open()
        until(lambda: f"turn {turn.pk} failed" in caplog.text)

    def asked_again_and_final() -> bool:
        runtime.submit(turn.pk)  # as recovery does, which finds it when its lease is over
        return is_final(turn)

    until(asked_again_and_final)
    turn.refresh_from_db()
    assert (turn.status, turn.claim) == ("completed", 2)
    billed = UsageEvent.objects.order_by("created_at").values_list("status", "source")
    assert list(billed) == [("interrupted", "estimated"), ("ok", "provider")]
    assert_nothing_to_audit()


@on_postgres
@pytest.mark.usefixtures("nobody_runs")
def test_a_reader_outlasts_the_database(ask, openai_server: OpenAIServer) -> None:
    turn = ask()
    heard: list[Entry | None] = []

    async def read() -> None:
        async for entry in read_events(turn.pk, 0):
            heard.append(entry)

    reader = threading.Thread(target=lambda: asyncio.run(read()))
    with outage():
        reader.start()
        until(lambda: heard)
    use_dispatcher(runtime)
    runtime.submit(turn.pk)
    reader.join(30)
    assert heard[0] is None
    assert heard[-1] is not None
    assert heard[-1].type in ("turn.completed", "turn.snapshot")
    assert is_final(turn)


@on_postgres
def test_connections_that_died_in_the_pool_fail_nobody(alice) -> None:
    assert runtime.in_db(User.objects.count) == 1
    cut_connections()
    assert runtime.in_db(User.objects.count) == 1


class Forgetful(Database):
    """Connections that break when the work is done and nobody has been told, once for each kind of work."""

    def __init__(self) -> None:
        super().__init__()
        self.broke = {"turn_claim"}

    async def run(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        done = await super().run(function, *args, **kwargs)
        if function.__name__ not in self.broke:
            self.broke.add(function.__name__)
            raise OperationalError("the connection broke")
        return done


@pytest.mark.usefixtures("nobody_runs")
def test_a_commit_without_confirmation_is_not_repeated(ask, openai_server: OpenAIServer) -> None:
    turn = ask()

    async def run() -> list[Entry] | None:
        database = Forgetful()
        async with runner_on(database) as runner:
            await runner.run(turn.pk)
        assert {"calls_write", "turn_commit"} < database.broke
        return await event_log.after(turn.pk, 0)

    entries = asyncio.run(run())
    assert entries is not None
    turn.refresh_from_db()
    assert (turn.status, turn.claim) == ("completed", 1)
    assert (entries[-1].type, entries[-1].seq) == ("turn.completed", turn.last_event_seq)
    assert Call.objects.count() == len(openai_server.served) == 1
    assert_ledger_matches(openai_server)


async def test_periodic_work_that_broke_once_is_done_again(caplog) -> None:
    engine, again, tries = WorkerLoop(asyncio.get_running_loop()), asyncio.Event(), []

    async def work() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("no good")
        again.set()

    engine.repeat("work", work, every_s=0.01, failure="it could not be done")
    try:
        await asyncio.wait_for(again.wait(), 30)
    finally:
        await engine.stop()
        await asyncio.to_thread(engine.database.close)
        await asyncio.to_thread(engine.lease_database.close)
    assert "it could not be done" in caplog.text
