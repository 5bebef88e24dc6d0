"""Run one turn: claim, run the engine, commit, announce."""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings

from orchestration.engine.control import Control
from orchestration.engine.ports import Models, Ports, Unlimited
from orchestration.engine.result import TurnResult
from orchestration.engine.steps import EXHAUSTED, RetryPolicy
from orchestration.engine.turn import run_turn
from sessions.events.eventlog import EventLog
from sessions.live.bridge import Bridge
from sessions.live.database import UNREACHABLE, Database
from sessions.live.journal import journal_for
from sessions.live.reopening import reopen_log
from sessions.selectors.turns import terminal_fields, turn_json_by_id
from sessions.services.fence import FenceLost, turn_was_committed
from sessions.services.leases import ClaimedTurn, turn_claim
from sessions.services.turn_commit import turn_commit
from sessions.services.turn_give_up import REFUSALS, turn_give_up

log = logging.getLogger(__name__)


class LoopClock:
    """The running loop's clock."""

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def jitter(self) -> float:
        return random.random()


@dataclass(slots=True)
class RunningTurn:
    """A turn that this process holds."""

    claim: int
    control: Control
    bridge: Bridge
    task: asyncio.Task[None]


def retry_policy() -> RetryPolicy:
    return RetryPolicy(
        retries=settings.PANTHEON_PROVIDER_RETRIES,
        base_s=settings.PANTHEON_PROVIDER_RETRY_BASE_S,
        max_wait_s=settings.PANTHEON_PROVIDER_RETRY_MAX_WAIT_S,
    )


class TurnRunner:
    """Runs turns for one process. Lives on the runtime's loop."""

    def __init__(
        self, *, runner_id: uuid.UUID, models: Models, database: Database, event_log: EventLog
    ) -> None:
        self.runner_id = runner_id
        self.running: dict[uuid.UUID, RunningTurn] = {}
        self._models = models
        self._database = database
        self._log = event_log

    async def run(self, turn_id: uuid.UUID) -> None:
        """Run a turn to its end, unless another runner holds it."""
        if turn_id in self.running:
            return
        try:
            claimed = await self._database.persist(turn_claim, turn_id=turn_id, runner_id=self.runner_id)
        except FenceLost:
            return
        if claimed is None:
            return
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(turn_id=str(turn_id), user_id=str(claimed.payer.user_id))
        task = asyncio.current_task()
        assert task is not None
        control = Control(exhausted=claimed.exhausted)
        bridge = Bridge(claimed, journal_for(claimed, self._database), self._log)
        if claimed.cancelled:
            control.cancel()
        self.running[turn_id] = RunningTurn(claimed.claim, control, bridge, task)
        try:
            await self._open(bridge)
            ports = Ports(
                models=self._models,
                journal=bridge,
                events=bridge,
                clock=LoopClock(),
                funds=claimed.funds or Unlimited(),
            )
            result = await self._result(claimed, ports, control)
            bridge.flush(held=True)
            bridge.committing = True
            fields = await self._commit(bridge, result)
            bridge.publish(f"turn.{fields['status']}", **fields)
        except* FenceLost:
            log.warning("turn %s was taken over by another runner", turn_id)
        finally:
            self.running.pop(turn_id, None)
            bridge.close()
            self._log.release(turn_id)

    async def _result(self, claimed: ClaimedTurn, ports: Ports, control: Control) -> TurnResult:
        """Return the turn's result. The last claim always ends the turn, even if every run of it failed."""
        try:
            return await run_turn(claimed.spec, ports, control, retry_policy())
        except Exception:
            if not claimed.exhausted:
                raise
            log.exception("turn %s failed on every run and is given up", claimed.turn_id)
            return TurnResult("failed", (), "failed", EXHAUSTED)

    async def _open(self, bridge: Bridge) -> None:
        claimed = bridge.claimed
        if claimed.claim > 1:
            snapshot = await self._database.persist(turn_json_by_id, claimed.turn_id, with_text=True)
            bridge.publish("turn.snapshot", turn=snapshot)
            return
        spec = claimed.spec
        roster = [{"key": agent.key, "name": agent.name, "model": agent.model.alias} for agent in spec.roster]
        bridge.publish(
            "turn.started", session_id=spec.session_id, index=spec.index, mode=spec.mode.key, roster=roster
        )

    async def _commit(self, bridge: Bridge, result: TurnResult) -> dict[str, Any]:
        """Commit the turn; return the fields of its terminal event."""
        claimed = bridge.claimed
        turn_id, claim = claimed.turn_id, claimed.claim
        html = await bridge.html_of(result.answers)
        try:
            return await self._database.persist(
                turn_commit,
                claimed=claimed,
                result=result,
                last_event_seq=bridge.seq + 1,
                written=bridge.journal.written,
                html=html,
            )
        except FenceLost:
            return await self._committed(turn_id, claim)
        except Exception as error:
            # The database refuses a value at every claim. The last claim ends the turn in any case.
            if isinstance(error, UNREACHABLE) or not (claimed.exhausted or isinstance(error, REFUSALS)):
                raise
            try:
                return await self._database.persist(
                    turn_give_up,
                    claimed=claimed,
                    last_event_seq=bridge.seq + 1,
                    written=bridge.journal.written,
                    error=error,
                )
            except FenceLost:
                return await self._committed(turn_id, claim)

    async def _committed(self, turn_id: uuid.UUID, claim: int) -> dict[str, Any]:
        """Return the terminal event's fields if this is a retry after a broken connection whose first try worked."""
        if not await self._database.persist(turn_was_committed, turn_id=turn_id, claim=claim):
            raise FenceLost(f"turn {turn_id} is no longer held by claim {claim}")
        return await self._database.persist(terminal_fields, turn_id)

    async def reopen_logs(self) -> None:
        """Reopen lost logs with a snapshot, so that their readers can continue."""
        for turn_id in self._log.lost_turns() & self.running.keys():
            if (turn := self.running.get(turn_id)) is not None and not turn.bridge.committing:
                await reopen_log(turn.bridge, self._database)
