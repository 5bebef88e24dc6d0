"""The bridge of one running turn: stores the engine's journal as rows and publishes its events to the event log."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from billing.fields import usd_text
from orchestration.engine.events import (
    EngineEvent,
    RoutingDecided,
    StepCompleted,
    StepDelta,
    StepFailed,
    StepStarted,
)
from orchestration.engine.ports import CallIntent, CallOutcome, PastCall
from orchestration.engine.steps import StepResult
from sessions.events.eventlog import EventLog
from sessions.live.journal import TurnJournal
from sessions.rendering.markdown import render_markdown
from sessions.selectors.turns import turn_json_by_id
from sessions.selectors.usage import usage_of_report
from sessions.services.leases import ClaimedTurn
from web.rfc3339 import rfc3339

DELTA_EVERY_S = 0.05
"""Text is published at most once per period. All turns share the periods, so that their deltas form one batch."""

MOST_REWINDS = 2
"""Snapshots that readers get for the rewinds of one step. Text after the last one is published at the step's end."""

CLAIM_STRIDE = 1_000_000
"""Claim n of a turn numbers its events from (n-1) x this + 1."""


@dataclass(slots=True)
class StepLane:
    """The published state of a step."""

    started: StepStarted
    text: list[str] = field(default_factory=list)
    pending: dict[str, list[str]] = field(default_factory=dict)
    """Unpublished text by kind."""
    has_published_text: bool = False
    rewinds: int = 0
    """How often readers got a snapshot because published text was reasoning."""
    end: tuple[str, dict[str, Any]] | None = None
    """Type and fields of its last event."""
    flush_at: float = 0.0
    timer: asyncio.TimerHandle | None = None

    def holds_text(self) -> bool:
        """Return whether text waits for the end of the step, as it has been reasoning too often."""
        return self.rewinds >= MOST_REWINDS

    def published_text(self) -> str:
        """Return the text so far, without what waits to be published."""
        text = "".join(self.text)
        return text[: len(text) - sum(map(len, self.pending.get("text", ())))]


@dataclass(frozen=True, slots=True)
class CompletedStep:
    """Data that the bridge adds to a completed step."""

    usage: dict[str, Any]
    cost_usd: str | None
    html: str


class Bridge:
    """Journal and Events ports of one claim on one turn. Lives on the runtime's loop."""

    def __init__(self, claimed: ClaimedTurn, journal: TurnJournal, log: EventLog) -> None:
        self.claimed = claimed
        self.journal = journal
        self.seq = (claimed.claim - 1) * CLAIM_STRIDE
        self.last_change = 0
        """The seq of the newest event that is not a delta."""
        self.committing = False
        """The run is over: only the terminal event is still published, and its seq is part of the commit.

        From now on a turn that is no longer held counts as final.
        """
        self.progress: dict[str, int] = {}
        """Ids of open calls -> bytes received, for the lease renewal."""
        self.lanes: dict[str, StepLane] = {}
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._past = claimed.past
        self._finished: dict[str, CompletedStep] = {}
        self._html: dict[str, str] = {}
        """HTML of completed steps, by step id."""
        self._live: set[str] = set()
        """Calls whose text is shown to readers."""

    # --- Journal ------------------------------------------------------------------------------------------------------

    def past(self, slot: str) -> PastCall | None:
        return self._past.get(slot)

    async def start(self, intent: CallIntent) -> None:
        structlog.contextvars.bind_contextvars(call_id=intent.call_id)
        await self.journal.start(intent)
        self.progress[intent.call_id] = 0
        if intent.request.purpose.shown:
            self._live.add(intent.call_id)

    async def finish(self, outcome: CallOutcome) -> None:
        call_id = uuid.UUID(outcome.call_id)
        cost = await self.journal.finish(outcome, self.progress.pop(outcome.call_id, 0))
        structlog.contextvars.unbind_contextvars("call_id")
        if self.claimed.funds is not None:
            self.claimed.funds.settle(call_id, cost)
        if outcome.status == "ok" and outcome.call_id in self._live:
            html = await asyncio.to_thread(render_markdown, outcome.text)
            self._finished[outcome.call_id] = CompletedStep(
                usage_of_report(outcome.report), usd_text(cost), html
            )

    async def html_of(self, answers: Sequence[StepResult]) -> dict[str, str]:
        """Return the HTML of all answers, by step. Renders those that were not published."""
        for answer in answers:
            if answer.step_id not in self._html:
                self._html[answer.step_id] = await asyncio.to_thread(render_markdown, answer.text)
        return self._html

    def note_received(self, call_id: str, size: int) -> None:
        self.progress[call_id] = size

    # --- Events -------------------------------------------------------------------------------------------------------

    def emit(self, event: EngineEvent) -> None:
        match event:
            case StepStarted():
                self.lanes[event.step_id] = lane = StepLane(event)
                self.publish_started(lane)
            case StepDelta():
                self._collect(self.lanes[event.step_id], event)
            case StepCompleted():
                finished = self._finished.pop(event.call_id)
                self._html[event.step_id] = finished.html
                self._publish_end(
                    "step.completed",
                    event.step_id,
                    message_id=event.step_id,
                    text=event.text,
                    html=finished.html,
                    usage=finished.usage,
                    cost_usd=finished.cost_usd,
                    cut_for=event.cut_for or None,
                )
            case RoutingDecided():
                self.publish("routing.decided", round=event.round, **event.decision.as_dict())
            case StepFailed():
                self._publish_end(
                    "step.failed",
                    event.step_id,
                    code=event.code,
                    message=event.message,
                    retryable=event.retryable,
                )

    async def rewind(self, step_id: str) -> None:
        """Turn a step's text so far into reasoning: readers get a snapshot, if they have any of it."""
        lane = self.lanes[step_id]
        thought = "".join(lane.text)
        if not lane.has_published_text:
            lane.pending["reasoning"] = [*lane.pending.get("reasoning", []), *lane.pending.pop("text", [])]
            lane.text.clear()
            return
        self._flush(lane)
        lane.text.clear()
        lane.has_published_text = False
        lane.rewinds += 1
        snapshot = await self.journal.database.persist(turn_json_by_id, self.claimed.turn_id, with_text=True)
        self.publish_snapshot(snapshot)
        self.publish("step.delta", step_id=step_id, kind="reasoning", text=thought)

    def publish_snapshot(self, snapshot: dict[str, Any]) -> None:
        """Publish rows together with the text of open steps, which is not in any row."""
        self.flush()
        steps = {step["step_id"]: step for step in snapshot["steps"]}
        for step_id, lane in self.lanes.items():
            if step_id in steps:
                steps[step_id]["text"] = steps[step_id]["text"] or lane.published_text()
        self.publish("turn.snapshot", turn=snapshot)
        for step_id, lane in self.lanes.items():
            if step_id in steps:
                continue
            self.publish_started(lane)
            if text := lane.published_text():
                self.publish("step.delta", step_id=step_id, kind="text", text=text)
            if lane.end is not None:
                kind, fields = lane.end
                self.publish(kind, step_id=step_id, **fields)

    def publish_started(self, lane: StepLane) -> None:
        self.publish("step.started", **dataclasses.asdict(lane.started))

    def _publish_end(self, kind: str, step_id: str, **fields: Any) -> None:
        lane = self.lanes[step_id]
        self._flush(lane, held=True)
        lane.end = (kind, fields)
        self.publish(kind, step_id=step_id, **fields)

    def publish(self, kind: str, /, **fields: Any) -> None:
        """Append an event to the turn's log."""
        self.seq += 1
        if kind != "step.delta":
            self.last_change = self.seq
        at = rfc3339(dt.datetime.now(dt.UTC))
        self._log.append(
            self.claimed.turn_id,
            self.seq,
            {"type": kind, "turn_id": str(self.claimed.turn_id), "at": at, **fields},
        )

    def flush(self, *, held: bool = False) -> None:
        """Publish all pending text. `held`: also what waits for the end of its step."""
        for lane in self.lanes.values():
            self._flush(lane, held=held)

    def close(self) -> None:
        """Cancel the timers of pending text, which a failed run leaves behind."""
        for lane in self.lanes.values():
            if lane.timer is not None:
                lane.timer.cancel()

    def _collect(self, lane: StepLane, delta: StepDelta) -> None:
        """Publish a delta at once, or at the end of the period if the lane already published text in it."""
        if delta.kind == "text":
            lane.text.append(delta.text)
        lane.pending.setdefault(delta.kind, []).append(delta.text)
        if lane.timer is not None:
            return
        now = self._loop.time()
        if now >= lane.flush_at:
            self._flush(lane)
        else:
            lane.timer = self._loop.call_at(lane.flush_at, self._flush, lane)

    def _flush(self, lane: StepLane, *, held: bool = False) -> None:
        if lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None
        waits = lane.holds_text() and not held
        for kind in [kind for kind in lane.pending if kind != "text" or not waits]:
            text = "".join(lane.pending.pop(kind))
            self.publish("step.delta", step_id=lane.started.step_id, kind=kind, text=text)
            lane.has_published_text = lane.has_published_text or kind == "text"
        lane.flush_at = (round(self._loop.time() / DELTA_EVERY_S) + 1) * DELTA_EVERY_S
