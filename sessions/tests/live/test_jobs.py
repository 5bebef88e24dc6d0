"""The web process runs every job of the list, and retries one that fails."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from functools import partial

import pytest
from django.contrib.sessions.models import Session

from accounts.tests.support.cookie_sessions import cookie_session
from sessions.live.jobs import JOBS, Job
from sessions.live.runtime import WorkerLoop, runtime
from sessions.tests.support.server_process import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def engine() -> AsyncIterator[WorkerLoop]:
    engine = WorkerLoop(asyncio.get_running_loop())
    yield engine
    await engine.stop()
    await asyncio.to_thread(engine.database.close)
    await asyncio.to_thread(engine.lease_database.close)


async def test_each_job_is_repeated(engine) -> None:
    engine.begin_recovery()
    names = [task.get_name() for task in engine.tasks]
    assert [names.count(job.name) for job in JOBS] == [1] * len(JOBS)


def test_names_are_unlike() -> None:
    assert len({job.name for job in JOBS}) == len(JOBS)


async def test_a_job_that_failed_is_logged_and_done_again(engine, caplog) -> None:
    again, results = asyncio.Event(), [ValueError("no good")]

    def run() -> None:
        if results:
            raise results.pop()
        engine.loop.call_soon_threadsafe(again.set)

    job = Job("work", every_s=0.01, run=run, failure="it could not be done")
    engine.repeat(job.name, partial(engine.run_job, job), every_s=job.every_s, failure=job.failure)
    await asyncio.wait_for(again.wait(), 30)
    assert "it could not be done" in caplog.text


async def test_turns_are_recovered_only_where_one_can_begin(engine) -> None:
    looked = []

    def run() -> list[uuid.UUID]:
        looked.append(1)
        return []

    while engine.has_place:
        engine.places.acquire()
    for needs_place in (True, False):
        await engine.run_job(Job("work", every_s=1.0, run=run, failure="", needs_place=needs_place))
    assert looked == [1]


def test_expired_sessions_are_erased() -> None:
    kept, _ = cookie_session(expires_in_s=60), cookie_session(expires_in_s=-1)
    runtime.start_recovery()
    until(lambda: list(Session.objects.all()) == [kept])
