"""A log that disappears while its turn ends: the terminal event has the seq stored by the commit."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from orchestration.tests.providers import Answer, Gate, Hold, OpenAIServer
from sessions.events.entries import Entry
from sessions.events.memory_log import MemoryEventLog
from sessions.live.database import Database
from sessions.selectors.turns import turn_json_by_id
from sessions.services.turn_accept import turn_accept
from sessions.services.turn_commit import turn_commit
from sessions.services.turn_request import TurnRequest
from sessions.tests.factories import make_agent, make_session
from sessions.tests.support.running import runner_on

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


class VanishingLog(MemoryEventLog):
    """Asks for every log to be opened anew."""

    def __init__(self) -> None:
        super().__init__()
        self.vanished: set[uuid.UUID] = set()

    def lost_turns(self) -> set[uuid.UUID]:
        return self.vanished


class Overtaken(Database):
    """Reads the turn for a snapshot so slowly that its commit comes first."""

    def __init__(self) -> None:
        super().__init__()
        self.reading, self.committed = asyncio.Event(), asyncio.Event()
        self.reopening: asyncio.Task[None] | None = None

    async def run(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        done = await super().run(function, *args, **kwargs)
        if function is turn_json_by_id:
            self.reading.set()
            await self.committed.wait()
        elif function is turn_commit:
            self.committed.set()
            assert self.reopening is not None
            await self.reopening
        return done


def test_a_log_that_is_reopened_while_the_turn_commits(
    alice, openai_model, openai_server: OpenAIServer
) -> None:
    gate, log = Gate(), VanishingLog()
    openai_server.queue(Answer(["Good ", "day."], at={1: Hold(gate)}))
    session = make_session(alice, make_agent(alice, "ana", openai_model))
    turn = turn_accept(user=alice, session=session, request=TurnRequest(message="hello"))

    async def run() -> list[Entry] | None:
        database = Overtaken()
        async with runner_on(database, log) as runner:
            running = asyncio.create_task(runner.run(turn.pk))
            await asyncio.to_thread(gate.wait_until_reached)
            log.vanished = {turn.pk}
            database.reopening = asyncio.create_task(runner.reopen_logs())
            await database.reading.wait()
            gate.open()
            await running
        return await log.after(turn.pk, 0)

    entries = asyncio.run(run())
    assert entries is not None
    turn.refresh_from_db()
    assert (entries[-1].type, entries[-1].seq) == ("turn.completed", turn.last_event_seq)
