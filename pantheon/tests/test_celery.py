"""What hands turns to the workers: quick, and never the reason that a request fails."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pantheon.celery import ANSWER_TIMEOUT_S, CeleryDispatcher, app, broker_url, recover_turns, run_turn
from sessions.tests.support.redis_process import RedisProcess


@pytest.fixture
def broker(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisProcess]:
    """A broker of this test's own behind the application."""
    before = dict(app.conf.items())["broker_url"]
    with RedisProcess(tmp_path) as server:
        app.conf.broker_url = server.url
        app.amqp._producer_pool = app._pool = None  # both remember where they were connected
        yield server
        app.conf.broker_url = before
        app.amqp._producer_pool = app._pool = None


def messages(broker: RedisProcess) -> int:
    with broker.client() as client:
        return int(client.llen("pantheon"))


def test_a_turn_is_one_message(broker) -> None:
    dispatcher = CeleryDispatcher()
    dispatcher.submit(uuid.uuid4())
    dispatcher.submit(uuid.uuid4())
    dispatcher.cancel(uuid.uuid4())
    assert messages(broker) == 2


@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_a_broker_that_is_gone_delays_a_request_once(broker, how, caplog) -> None:
    dispatcher = CeleryDispatcher()
    dispatcher.submit(uuid.uuid4())
    getattr(broker, how)()
    begun = time.monotonic()
    for _ in range(20):
        dispatcher.submit(uuid.uuid4())
    assert time.monotonic() - begun < 15 * ANSWER_TIMEOUT_S  # and not twenty times that
    [record] = [record for record in caplog.records if record.name == "pantheon.celery"]
    assert record.levelname == "ERROR"
    assert "sk-of-redis" not in caplog.text


def test_nothing_is_remembered_of_messages() -> None:
    assert [queue.no_ack for queue in app.conf.task_queues] == [True]
    assert (run_turn.ignore_result, recover_turns.ignore_result) == (True, True)
    assert app.conf.result_backend is None
    assert app.conf.worker_pool == "threads"


@pytest.mark.parametrize(
    ("url", "of_celery"),
    [
        ("redis://:secret@host:6379/2", "redis://:secret@host:6379/2"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
        ("unix://:secret@/run/redis.sock?db=3", "redis+socket://:secret@/run/redis.sock?virtual_host=3"),
        ("", ""),
    ],
)
def test_the_address_of_the_broker_is_the_one_of_redis(url, of_celery) -> None:
    assert broker_url(url) == of_celery


def test_beat_says_once_that_the_broker_is_gone(broker, caplog) -> None:
    scheduler: Any = app.conf.beat_scheduler(app=app)
    entry = SimpleNamespace(
        name="recover turns", task="pantheon.recover_turns", args=(), kwargs={}, options={}, schedule=None
    )
    scheduler.apply_entry(entry)
    assert messages(broker) == 1
    broker.kill()
    for _ in range(3):
        scheduler.apply_entry(entry)
    broker.start()
    scheduler.apply_entry(entry)
    assert [record.levelname for record in caplog.records if record.name == "pantheon.celery"] == [
        "ERROR",
        "WARNING",
    ]
    assert messages(broker) == 1
