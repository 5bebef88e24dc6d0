"""The process's one event loop for model calls, on a daemon thread, started at first use (so after any fork).

A thread of its own, because a turn outlives the request that started it and must not block the web server's
loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import CancelledError
from functools import partial
from typing import Any, TypeVar

from django.conf import settings
from django.db import Error as DbError

from orchestration.engine.specs import ModelSpec
from orchestration.gateway.gateway import Gateway, GatewayConfig
from orchestration.gateway.images import ImageContents
from orchestration.services import unsupported_field_record
from sessions.events.eventlog import event_log
from sessions.events.loops import new_loop
from sessions.live.database import Database
from sessions.live.image_reading import image_read
from sessions.live.jobs import JOBS, Job
from sessions.live.journal import journal_state
from sessions.live.runner import RunningTurn, TurnRunner
from sessions.selectors.turns import turns_gone
from sessions.services.calls import calls_write
from sessions.services.fence import FenceLost
from sessions.services.leases import leases_renew, turns_hand_over

log = logging.getLogger(__name__)

RENEW_EVERY_S = 1.0
KEEP_LOGS_EVERY_S = 1.0
FORGET_EVERY_S = 30.0
DRAIN_S = 1.0
"""Maximum wait for the last events to be delivered."""

TASKS_END_S = 2.0
"""Maximum wait for cancelled tasks. One that swallows its cancellation is abandoned; its writes are fenced."""

START_S = 30.0
IN_DB_S = 30.0

R = TypeVar("R")


def gateway_config() -> GatewayConfig:
    return GatewayConfig(
        connect_timeout_s=settings.PANTHEON_PROVIDER_CONNECT_TIMEOUT_S,
        first_token_timeout_s=settings.PANTHEON_PROVIDER_FIRST_TOKEN_TIMEOUT_S,
        between_tokens_timeout_s=settings.PANTHEON_PROVIDER_BETWEEN_TOKENS_TIMEOUT_S,
        total_timeout_s=settings.PANTHEON_PROVIDER_TOTAL_TIMEOUT_S,
        demo_words_per_s=settings.PANTHEON_DEMO_WORDS_PER_S,
    )


class WorkerLoop:
    """Everything on the loop: the runner, its database threads, the gateway, and the lease renewal."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.database = Database()
        self.lease_database = Database(threads=1)
        """Renews leases on its own connection, so that other database work cannot delay the renewal."""
        self.gateway = Gateway(
            gateway_config(), on_unsupported=self.record_unsupported, images=ImageContents(image_read)
        )
        self.runner = TurnRunner(
            runner_id=uuid.uuid4(), models=self.gateway, database=self.database, event_log=event_log
        )
        self.tasks: set[asyncio.Task[None]] = set()
        self.stored_bytes: dict[uuid.UUID, int] = {}
        """Received bytes as stored in the rows of open calls."""
        self.places = threading.Semaphore(settings.PANTHEON_WORKER_TURNS)
        """One permit for each further turn that may begin here."""

    def record_unsupported(self, model: ModelSpec, field: str, reason: str) -> None:
        """Record in the catalogue a request field that the model's server refuses."""

        async def record() -> None:
            await self.database.run(
                unsupported_field_record, model_id=uuid.UUID(model.id), field=field, reason=reason
            )

        self.spawn(record(), f"unsupported {field} of {model.alias}")

    @property
    def has_place(self) -> bool:
        if not self.places.acquire(blocking=False):
            return False
        self.places.release()
        return True

    def begin(self, turn_id: uuid.UUID) -> None:
        """Run a turn for which a place has been acquired."""
        task = self.spawn(self.runner.run(turn_id), f"turn {turn_id}")
        task.add_done_callback(lambda _: self.places.release())

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self.loop.create_task(coroutine, name=name)
        self.tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The turn stays claimed; after its lease expires, recovery resumes it from the journal.
            log.error("%s failed", task.get_name(), exc_info=error)

    def repeat(
        self, name: str, work: Callable[[], Coroutine[Any, Any, None]], *, every_s: float, failure: str
    ) -> None:
        """Run `work` now and periodically. A failure is logged, and the next run is at the usual time."""

        async def forever() -> None:
            while True:
                try:
                    await work()
                except DbError as error:
                    log.error("%s: %s", failure, error)
                except Exception:  # all turns of this process depend on these loops
                    log.exception("%s", failure)
                await asyncio.sleep(every_s)

        self.spawn(forever(), name)

    async def renew_leases(self) -> None:
        """Renew the leases of this process's turns; cancel those with a cancel request or another runner."""
        before, received_bytes = dict(self.runner.running), self.received_bytes()
        if not before:
            return
        renewal = await self.lease_database.run(
            leases_renew,
            runner_id=self.runner.runner_id,
            turn_ids=list(before),
            received={
                call: size for call, size in received_bytes.items() if self.stored_bytes.get(call) != size
            },
        )
        self.stored_bytes = received_bytes
        for turn_id, turn in before.items():
            if turn_id in renewal.cancelled and not turn.control.cancelled:
                turn.control.cancel()
            elif renewal.claims.get(turn_id) != turn.claim and not turn.bridge.committing:
                log.warning("turn %s was taken over by another runner", turn_id)
                turn.task.cancel()

    async def keep_logs(self) -> None:
        """Reopen lost event logs and delete those of turns that ended long ago."""
        event_log.expire()
        await self.runner.reopen_logs()

    def received_bytes(self) -> dict[uuid.UUID, int]:
        """Return this process's open calls with the bytes received by each."""
        turns = self.runner.running.values()
        return {
            uuid.UUID(call): size for turn in turns for call, size in turn.bridge.progress.items() if size
        }

    def begin_recovery(self) -> None:
        """Begin the periodic work of the web process."""
        self.spawn(self.open_journal(), "journal")
        for job in JOBS:
            self.repeat(job.name, partial(self.run_job, job), every_s=job.every_s, failure=job.failure)
        self.repeat(
            "forget erased",
            self.delete_erased_events,
            every_s=FORGET_EVERY_S,
            failure="erased turns could not be looked up",
        )

    async def open_journal(self) -> None:
        await self.database.run(journal_state.open)

    async def run_job(self, job: Job) -> None:
        """Run a job, and begin the turns that it returns while there are places."""
        if job.needs_place and not self.has_place:
            return
        for turn_id in await self.database.run(job.run) or ():
            if turn_id not in self.runner.running and self.places.acquire(blocking=False):
                self.begin(turn_id)

    async def delete_erased_events(self) -> None:
        """Delete the events of erased turns: the erasing command runs in another process, without this memory."""
        if turn_ids := event_log.local_turns():
            event_log.forget(await self.database.run(turns_gone, turn_ids))

    async def stop(self) -> list[uuid.UUID]:
        """Stop all calls, hand over the turns so that the next process continues them at once, and return them."""
        received_bytes, turns = self.received_bytes(), dict(self.runner.running)
        await end_tasks(self.tasks)
        turn_ids = []
        try:
            await self.store_outcomes(turns)
        except DbError as error:
            log.error("answers could not be stored: %s; they will be requested again", error)
        try:
            turn_ids = await self.database.run(
                turns_hand_over, runner_id=self.runner.runner_id, received=received_bytes
            )
        except DbError as error:
            log.error(
                "turns could not be handed over: %s; they are recovered when their leases expire", error
            )
        await self.gateway.aclose()
        return turn_ids

    async def store_outcomes(self, turns: Mapping[uuid.UUID, RunningTurn]) -> None:
        """Store outcomes that handed-over turns had left to their commit, so that no answer is paid for twice."""
        for turn_id, turn in turns.items():
            if ended := tuple(turn.bridge.journal.written.ended):
                with contextlib.suppress(FenceLost):  # it was committed after all
                    await self.database.run(calls_write, turn_id=turn_id, claim=turn.claim, ended_calls=ended)


async def end_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait briefly for them, but never depend on their end."""
    if not (pending := set(tasks)):
        return
    for task in pending:
        task.cancel()
    _, pending = await asyncio.wait(pending, timeout=TASKS_END_S)
    for task in pending:
        log.error("%s did not end when it was cancelled", task.get_name())


class RuntimeClosed(Exception):
    """This process is stopping and runs no more turns."""


class Runtime:
    """Thread-safe access to the process's worker loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = 0
        self._worker: WorkerLoop | None = None
        self._thread: threading.Thread | None = None
        self._recovering = False
        self._closed = False

    def submit(self, turn_id: uuid.UUID, *, wait_s: float = 0.0) -> bool:
        """Start a turn in this process and return at once.

        Returns False if this process is stopping, or is full and has no place within `wait_s`: another
        process must run the turn.
        """
        try:
            with self._lock:
                worker = self._get_or_start()
            if not worker.places.acquire(timeout=wait_s):
                return False
            with self._lock:
                # Under the lock, so that a later stop includes this turn.
                if self._worker is not worker:
                    return False
                self._call(worker, lambda: worker.begin(turn_id))
        except RuntimeClosed:
            return False
        return True

    def has_place(self) -> bool:
        """Return whether another turn may begin here."""
        worker = self._worker
        return not self._closed and (worker is None or worker.has_place)

    def in_db(self, function: Callable[[], R]) -> R:
        """Call a function in a database thread and return its result. Raises RuntimeClosed, TimeoutError."""
        with self._lock:
            worker = self._get_or_start()
            future = asyncio.run_coroutine_threadsafe(worker.database.run(function), worker.loop)
        try:
            return future.result(IN_DB_S)
        except CancelledError as error:
            raise RuntimeClosed("this process has stopped") from error

    def cancel(self, turn_id: uuid.UUID) -> None:
        """Cancel a turn at once if this process runs it."""
        worker = self._worker
        if worker is None or self._pid != os.getpid():
            return

        def switch() -> None:
            running = worker.runner.running.get(turn_id)
            if running is not None and not running.control.cancelled:
                running.control.cancel()

        self._call(worker, switch)

    def start_recovery(self) -> None:
        """Begin the periodic work of the web process."""
        with self._lock:
            worker = self._get_or_start()
            if self._recovering:
                return
            self._recovering = True
        self._call(worker, worker.begin_recovery)

    def close(self) -> list[uuid.UUID]:
        """Stop for good."""
        with self._lock:
            self._closed = True
        return self.stop()

    def stop(self, timeout_s: float = 6.0) -> list[uuid.UUID]:
        """Hand running turns over and end the loop; return those turns. The next `submit` starts a new loop."""
        with self._lock:
            worker, thread = self._worker, self._thread
            self._worker = self._thread = None
            self._recovering = False
        if worker is None or thread is None or self._pid != os.getpid():
            return []
        try:
            turn_ids = asyncio.run_coroutine_threadsafe(worker.stop(), worker.loop).result(timeout_s)
        except TimeoutError:
            log.error(
                "turns were not handed over in %g s; they are recovered when their leases expire", timeout_s
            )
            turn_ids = []
        event_log.drain(DRAIN_S)
        worker.loop.call_soon_threadsafe(worker.loop.stop)
        thread.join(timeout_s)
        return turn_ids

    @staticmethod
    def _call(worker: WorkerLoop, function: Callable[[], object]) -> None:
        worker.loop.call_soon_threadsafe(function)

    def _get_or_start(self) -> WorkerLoop:
        """Return the worker loop (under the lock), starting one if needed. Raises RuntimeClosed."""
        if self._closed:
            raise RuntimeClosed("this process is stopping")
        if self._worker is None or self._pid != os.getpid():
            self._pid, self._recovering = os.getpid(), False
            ready = threading.Event()
            self._thread = threading.Thread(
                target=self._serve, args=(ready,), name="pantheon-runtime", daemon=True
            )
            self._thread.start()
            if not ready.wait(START_S):
                raise RuntimeError(f"the event loop for turns did not start in {START_S:g} s")
        assert self._worker is not None
        return self._worker

    def _serve(self, ready: threading.Event) -> None:
        loop = new_loop()
        asyncio.set_event_loop(loop)
        worker = WorkerLoop(loop)
        self._worker = worker
        worker.repeat(
            "renew leases", worker.renew_leases, every_s=RENEW_EVERY_S, failure="leases could not be renewed"
        )
        worker.repeat(
            "keep logs",
            worker.keep_logs,
            every_s=KEEP_LOGS_EVERY_S,
            failure="event logs could not be reopened",
        )
        loop.call_soon(ready.set)
        try:
            loop.run_forever()
        finally:
            # Cancel the remaining tasks, so that other threads do not keep waiting for their results.
            loop.run_until_complete(end_tasks(asyncio.all_tasks(loop)))
            loop.close()
            worker.database.close()
            worker.lease_database.close()


runtime = Runtime()
