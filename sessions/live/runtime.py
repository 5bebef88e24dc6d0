"""The process's one event loop for model calls, on a daemon thread, started at first use (so after any fork)."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

from django.conf import settings
from django.db import DatabaseError

from orchestration.gateway.gateway import Gateway, GatewayConfig
from sessions.live.database import Database
from sessions.live.eventlog import event_log
from sessions.live.journal import journal_state
from sessions.live.mailing import notices_mail_aside
from sessions.live.runner import Runner
from sessions.services.leases import leases_renew, turns_hand_over, turns_to_recover

log = logging.getLogger(__name__)

RENEW_EVERY_S = 1.0


def gateway_config() -> GatewayConfig:
    return GatewayConfig(
        connect_timeout_s=settings.PANTHEON_PROVIDER_CONNECT_TIMEOUT_S,
        first_token_timeout_s=settings.PANTHEON_PROVIDER_FIRST_TOKEN_TIMEOUT_S,
        between_tokens_timeout_s=settings.PANTHEON_PROVIDER_BETWEEN_TOKENS_TIMEOUT_S,
        total_timeout_s=settings.PANTHEON_PROVIDER_TOTAL_TIMEOUT_S,
        demo_words_per_s=settings.PANTHEON_DEMO_WORDS_PER_S,
    )


class Engine:
    """What lives on the loop: the runner, its database threads, the gateway, and the lease renewal."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.database = Database()
        self.gateway = Gateway(gateway_config())
        self.runner = Runner(
            runner_id=uuid.uuid4(), models=self.gateway, database=self.database, event_log=event_log
        )
        self.tasks: set[asyncio.Task[None]] = set()

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self.loop.create_task(coroutine, name=name)
        self.tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The turn stays claimed; when its lease runs out, recovery takes it from the journal.
            log.error("%s failed", task.get_name(), exc_info=error)

    async def renew_leases(self) -> None:
        """Once a second: keep this process's turns, learn which are cancelled, let go of those that were taken."""
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            before = dict(self.runner.running)
            if not before:
                continue
            try:
                renewal = await self.database.run(
                    leases_renew,
                    runner_id=self.runner.runner_id,
                    turn_ids=list(before),
                    received=self.received(),
                )
            except DatabaseError as error:
                log.error("leases could not be renewed: %s", error)
                continue
            for turn_id, turn in before.items():
                if turn_id in renewal.cancelled and not turn.control.cancelled:
                    turn.control.cancel()
                elif renewal.held.get(turn_id) != turn.claim and not turn.committing:
                    log.warning("turn %s was taken over by another runner", turn_id)
                    turn.task.cancel()

    def received(self) -> dict[uuid.UUID, int]:
        """Return the open calls of this process and how many characters each has received."""
        turns = self.runner.running.values()
        return {call: chars for turn in turns for call, chars in turn.bridge.progress.items() if chars}

    async def recover(self) -> None:
        """Every few seconds: claim turns whose runner died, dispatch again what nobody claimed."""
        await self.database.run(journal_state.open)
        while True:
            try:
                for turn_id in await self.database.run(turns_to_recover):
                    if turn_id not in self.runner.running:
                        self.spawn(self.runner.run(turn_id), f"turn {turn_id}")
            except DatabaseError as error:
                log.error("turns could not be recovered: %s", error)
            event_log.expire()
            notices_mail_aside()
            await asyncio.sleep(settings.PANTHEON_RECOVER_EVERY_S)

    async def stop(self) -> None:
        """Stop asking models and give the turns back, so that the next process goes on at once."""
        received = self.received()
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self.database.run(turns_hand_over, runner_id=self.runner.runner_id, received=received)
        except DatabaseError as error:
            log.error(
                "turns could not be handed over: %s; they are recovered when their leases run out", error
            )
        await self.gateway.aclose()
        self.database.close()


class Runtime:
    """The door to the engine from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = 0
        self._engine: Engine | None = None
        self._thread: threading.Thread | None = None
        self._recovering = False

    def submit(self, turn_id: uuid.UUID) -> None:
        """Have a turn run in this process."""
        engine = self._started()
        self._call(engine, lambda: engine.spawn(engine.runner.run(turn_id), f"turn {turn_id}"))

    def cancel(self, turn_id: uuid.UUID) -> None:
        """Cancel a turn at once if this process runs it."""
        engine = self._engine
        if engine is None or self._pid != os.getpid():
            return

        def switch() -> None:
            running = engine.runner.running.get(turn_id)
            if running is not None and not running.control.cancelled:
                running.control.cancel()

        self._call(engine, switch)

    def start_recovery(self) -> None:
        """Begin the periodic work of the web process."""
        engine = self._started()
        with self._lock:
            if self._recovering:
                return
            self._recovering = True
        self._call(engine, lambda: engine.spawn(engine.recover(), "recovery"))

    def stop(self, timeout_s: float = 6.0) -> None:
        """Hand running turns over and end the loop. The next `submit` starts a new one."""
        with self._lock:
            engine, thread = self._engine, self._thread
            self._engine = self._thread = None
            self._recovering = False
        if engine is None or thread is None or self._pid != os.getpid():
            return
        asyncio.run_coroutine_threadsafe(engine.stop(), engine.loop).result(timeout_s)
        engine.loop.call_soon_threadsafe(engine.loop.stop)
        thread.join(timeout_s)

    @staticmethod
    def _call(engine: Engine, function: Callable[[], object]) -> None:
        engine.loop.call_soon_threadsafe(function)

    def _started(self) -> Engine:
        with self._lock:
            if self._engine is None or self._pid != os.getpid():
                self._pid, self._recovering = os.getpid(), False
                ready = threading.Event()
                self._thread = threading.Thread(
                    target=self._serve, args=(ready,), name="pantheon-runtime", daemon=True
                )
                self._thread.start()
                ready.wait()
            assert self._engine is not None
            return self._engine

    def _serve(self, ready: threading.Event) -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        engine = Engine(loop)
        self._engine = engine
        engine.spawn(engine.renew_leases(), "lease renewal")
        loop.call_soon(ready.set)
        try:
            loop.run_forever()
        finally:
            loop.close()


runtime = Runtime()
