"""The dispatcher: fast, and never the cause of a failed request."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import OperationalError

from accounts.tests.support.cookie_sessions import cookie_session
from pantheon.celery import (
    ANSWER_TIMEOUT_S,
    CeleryDispatcher,
    app,
    broker_url,
    job_do,
    run_turn,
    task_name,
)
from sessions.dispatch import use_dispatcher
from sessions.live.jobs import JOBS, Job
from sessions.live.runtime import runtime
from sessions.tests.support.redis_process import RedisProcess


@pytest.fixture
def broker(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisProcess]:
    """Connect the Celery app to a broker of this test."""
    before = dict(app.conf.items())["broker_url"]
    with RedisProcess(tmp_path) as server:
        app.conf.broker_url = server.url
        app.amqp._producer_pool = app._pool = None  # both cache their connections
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
    assert all(app.tasks[name].ignore_result for name in (run_turn.name, *map(task_name, JOBS)))
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


# --- Periodic work ----------------------------------------------------------------------------------------------------


class Sent:
    """Remembers what is sent to the workers."""

    def __init__(self) -> None:
        self.turn_ids: list[uuid.UUID] = []

    def submit(self, turn_id: uuid.UUID) -> None:
        self.turn_ids.append(turn_id)

    def cancel(self, turn_id: uuid.UUID) -> None:
        raise AssertionError("nobody cancels here")


@pytest.fixture
def sent() -> Iterator[Sent]:
    sent = Sent()
    use_dispatcher(sent)
    yield sent
    use_dispatcher(None)
    runtime.stop()


def test_beat_has_every_job_done_and_nothing_else() -> None:
    schedule = app.conf.beat_schedule
    assert {name: entry["schedule"] for name, entry in schedule.items()} == {
        job.name: job.every_s for job in JOBS
    }
    assert {entry["task"] for entry in schedule.values()} <= set(app.tasks)


def test_messages_have_names_that_the_version_before_knows() -> None:
    assert {"pantheon.run_turn", "pantheon.recover_turns", "pantheon.purge_deleted"} <= set(app.tasks)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_a_worker_does_each_job(job, sent, caplog) -> None:
    app.tasks[task_name(job)]()
    assert caplog.records == []


@pytest.mark.django_db(transaction=True)
def test_a_worker_erases_expired_sessions(sent) -> None:
    kept, _ = cookie_session(expires_in_s=60), cookie_session(expires_in_s=-1)
    app.tasks["pantheon.clear_sessions"]()
    assert list(Session.objects.all()) == [kept]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "error", [OperationalError("the database is gone"), ValueError("no good")], ids=["database", "bug"]
)
def test_a_job_that_failed_is_logged_and_done_again(error, sent, caplog) -> None:
    results: list[Any] = [error, [uuid.UUID(int=7)]]

    def run() -> list[uuid.UUID]:
        if isinstance(result := results.pop(0), Exception):
            raise result
        return result

    job = Job("work", every_s=1.0, run=run, failure="it could not be done")
    job_do(job)
    assert "it could not be done" in caplog.text
    assert str(error) in caplog.text
    assert sent.turn_ids == []
    job_do(job)
    assert sent.turn_ids == [uuid.UUID(int=7)]
