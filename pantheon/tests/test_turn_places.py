"""The number of turns per process, and that nothing prevents it from stopping."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Iterator

import pytest

from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from pantheon.celery import CapacityQoS, run_turn
from sessions.dispatch import use_dispatcher
from sessions.live.runtime import TASKS_END_S, Runtime, runtime
from sessions.models import Turn
from sessions.services.turn_accept import turn_accept
from sessions.services.turn_request import TurnRequest
from sessions.tests.factories import make_agent, make_session
from sessions.tests.support.server_process import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    yield
    use_dispatcher(None)
    runtime.stop()


@pytest.fixture
def ask(alice, openai_model) -> Callable[[], Turn]:
    agent = make_agent(alice, "ana", openai_model)

    def ask() -> Turn:
        session = make_session(alice, agent)
        return turn_accept(user=alice, session=session, request=TurnRequest(message="hello"))

    return ask


class Sent:
    """Records turns that are sent to other workers."""

    def __init__(self) -> None:
        self.turn_ids: list[uuid.UUID] = []

    def submit(self, turn_id: uuid.UUID) -> None:
        self.turn_ids.append(turn_id)

    def cancel(self, turn_id: uuid.UUID) -> None:
        raise AssertionError("nobody cancels here")


@pytest.mark.usefixtures("nobody_runs")
def test_a_full_worker_takes_no_more_and_others_do(ask, openai_server: OpenAIServer, settings) -> None:
    settings.PANTHEON_WORKER_TURNS = 2
    gate, other, sent = Gate(), Runtime(), Sent()
    openai_server.default = Answer(["Good ", "day."], at={1: Hold(gate)})
    turns = [ask() for _ in range(3)]
    use_dispatcher(sent)
    try:
        run_turn(str(turns[0].pk))
        assert celery_takes_more()
        run_turn(str(turns[1].pk))
        assert not runtime.has_place()
        assert not celery_takes_more()
        run_turn(str(turns[2].pk))  # it was already sent when the second started
        assert sent.turn_ids == [turns[2].pk]
        assert other.submit(turns[2].pk)
        until(lambda: Turn.objects.filter(status="running").count() == 3)
        gate.open()
        until(lambda: Turn.objects.filter(status="completed").count() == 3)
        until(runtime.has_place)
    finally:
        gate.open()
        other.close()


def celery_takes_more() -> bool:
    quality = CapacityQoS.__new__(CapacityQoS)
    quality.prefetch_count = 0  # no limit by Celery itself
    return quality.can_consume()


@pytest.mark.usefixtures("nobody_runs")
def test_a_worker_that_stops_sends_turns_on(ask) -> None:
    turn, stopped, sent = ask(), Runtime(), Sent()
    stopped.close()
    assert not stopped.submit(turn.pk)
    assert not stopped.has_place()
    use_dispatcher(sent)


def test_a_task_that_swallows_its_cancellation_does_not_keep_the_process(caplog) -> None:
    """A library may swallow the single cancellation of a task."""
    stubborn, swallowed, over = Runtime(), threading.Event(), threading.Event()

    async def swallow() -> None:
        while not over.is_set():
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                swallowed.set()

    with stubborn._lock:
        engine = stubborn._get_or_start()
    engine.loop.call_soon_threadsafe(engine.spawn, swallow(), "the stubborn one")
    until(lambda: any(task.get_name() == "the stubborn one" for task in list(engine.tasks)))
    begun = time.monotonic()
    stubborn.close()
    over.set()
    assert swallowed.is_set()
    assert "the stubborn one did not end when it was cancelled" in caplog.text
    assert time.monotonic() - begun < 20 * TASKS_END_S  # and not for ever


def test_work_in_the_database_has_a_bound(monkeypatch) -> None:
    monkeypatch.setattr("sessions.live.runtime.IN_DB_S", 0.2)
    gate = threading.Event()
    with pytest.raises(TimeoutError):
        runtime.in_db(lambda: gate.wait(30))
    gate.set()
