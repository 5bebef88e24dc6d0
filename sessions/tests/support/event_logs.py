"""Event logs of either kind, and events for them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sessions.events.entries import Entry
from sessions.events.eventlog import EventLog
from sessions.events.memory_log import MemoryEventLog
from sessions.events.redis_log import RedisEventLog
from sessions.tests.support.redis_process import RedisProcess

PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory) -> Iterator[RedisProcess]:
    with RedisProcess(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
def new_log(request) -> Iterator[Callable[..., EventLog]]:
    """Create logs of one kind; those in Redis see each other's events."""
    made: list[RedisEventLog] = []

    def make(**options: Any) -> EventLog:
        if request.param == "memory":
            return MemoryEventLog(**options)
        log = RedisEventLog(request.getfixturevalue("redis_server").url, **options)
        made.append(log)
        return log

    yield make
    for log in made:
        log.close()


@pytest.fixture
def log(new_log) -> EventLog:
    return new_log()


@pytest.fixture
def turn_id() -> uuid.UUID:
    return uuid.uuid4()


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields}


def write(log: EventLog, turn_id: uuid.UUID, *seqs: int, kind: str = "step.delta", text: str = "x") -> None:
    """Append events and wait until they are written."""
    for seq in seqs:
        log.append(turn_id, seq, event("turn.started" if seq == 1 else kind, text=text))
    log.drain(PATIENCE_S)


def seqs(entries: list[Entry] | None) -> list[int] | None:
    return None if entries is None else [entry.seq for entry in entries]


async def follow(log: EventLog, turn_id: uuid.UUID, after: int, last: int) -> list[Entry]:
    """Read like a client that resumes after a seq, until `last`."""
    read: list[Entry] = []
    async with asyncio.timeout(PATIENCE_S):
        while after < last:
            entries = await log.after(turn_id, after)
            assert entries is not None
            if not entries:
                await log.wait(turn_id, after, 1.0)
            for entry in entries:
                read.append(entry)
                after = entry.seq
    return read
