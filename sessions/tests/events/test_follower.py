"""Following turns in Redis: readers come and go, connections and loops fail, and no reader misses an event."""

from __future__ import annotations

import asyncio
import random
import threading
import uuid
from collections.abc import Iterator

import pytest

from sessions.events.redis_log import STALLED, RedisEventLog
from sessions.events.redis_publisher import stream_key
from sessions.tests.support.event_logs import event, follow, seqs, write
from sessions.tests.support.redis_process import RedisProcess
from sessions.tests.support.server_process import until
from sessions.tests.support.tcp_proxy import Proxy

PATIENCE_S = 30.0


@pytest.fixture
def server(tmp_path) -> Iterator[RedisProcess]:
    with RedisProcess(tmp_path) as server:
        yield server


@pytest.fixture
def writing(server) -> Iterator[RedisEventLog]:
    log = RedisEventLog(server.url)
    yield log
    log.close()


@pytest.fixture
def reading(server) -> Iterator[RedisEventLog]:
    log = RedisEventLog(server.url)
    yield log
    log.close()


@pytest.fixture
def turn_id() -> uuid.UUID:
    return uuid.uuid4()


async def read_to_end(log: RedisEventLog, turn_id: uuid.UUID, after: int = 0) -> list[int]:
    """Read as a stream does; fail if an event is missing, which would cost a snapshot."""
    read: list[int] = []
    async with asyncio.timeout(PATIENCE_S):
        while True:
            entries = await log.after(turn_id, after)
            assert entries is not None
            for entry in entries:
                read.append(entry.seq)
                after = entry.seq
                if entry.is_terminal:
                    return read
            if not entries:
                await log.wait(turn_id, after, 2.0)


async def follows(log: RedisEventLog, turn_id: uuid.UUID, last: int) -> asyncio.Task[list]:
    """Start a reader of everything up to `last` and return it once it waits for more."""
    task = asyncio.create_task(follow(log, turn_id, 0, last))
    await follow(log, turn_id, 0, 1)
    await log.wait(turn_id, 1, 0.05)
    return task


async def test_readers_that_come_and_go_each_read_every_event_once(writing, reading) -> None:
    """80 readers of 20 turns, at random moments and from random points; half of them leave early and come back."""
    chance = random.Random(20)
    turns, last = [uuid.uuid4() for _ in range(20)], 200

    def publish() -> None:
        for seq in range(1, last + 1):
            for turn_id in turns:
                kind = "turn.started" if seq == 1 else "turn.completed" if seq == last else "step.delta"
                writing.append(turn_id, seq, event(kind, text="word "))
            threading.Event().wait(0.005)
        writing.drain(PATIENCE_S)

    async def read(turn_id: uuid.UUID) -> list[int]:
        await asyncio.sleep(chance.random())
        read: list[int] = []
        if chance.random() < 0.5:
            read = seqs(await follow(reading, turn_id, 0, chance.randrange(1, last // 2))) or []
            leaving = asyncio.create_task(reading.wait(turn_id, read[-1], 2.0))
            await asyncio.sleep(0)
            leaving.cancel()
            await asyncio.sleep(chance.random() / 2)
        return read + await read_to_end(reading, turn_id, read[-1] if read else 0)

    publishing = asyncio.create_task(asyncio.to_thread(publish))
    results = await asyncio.gather(*(read(turn_id) for turn_id in turns for _ in range(4)))
    await publishing
    assert [len(result) for result in results] == [last] * 80
    assert all(result == list(range(1, last + 1)) for result in results)


async def test_hundreds_of_readers_may_start_at_once(writing, reading) -> None:
    turns = [uuid.uuid4() for _ in range(300)]
    readers = [asyncio.create_task(read_to_end(reading, turn_id)) for turn_id in turns]
    await asyncio.sleep(0)
    for turn_id in turns:
        writing.append(turn_id, 1, event("turn.started"))
        writing.append(turn_id, 2, event("turn.completed"))
    assert await asyncio.gather(*readers) == [[1, 2]] * 300


async def test_a_turn_that_nobody_reads_any_more_is_unsubscribed(server, writing, reading, turn_id) -> None:
    write(writing, turn_id, 1)
    with server.client() as client:
        assert await reading.wait(turn_id, 0, PATIENCE_S)
        assert client.pubsub_numsub(stream_key(turn_id)) == [(stream_key(turn_id), 1)]
        await asyncio.to_thread(
            until, lambda: client.pubsub_numsub(stream_key(turn_id)) == [(stream_key(turn_id), 0)]
        )
    write(writing, turn_id, 2)
    assert seqs(await follow(reading, turn_id, 0, 2)) == [1, 2]


async def test_a_killed_connection_loses_nothing(server, writing, reading, turn_id, caplog) -> None:
    write(writing, turn_id, 1)
    reader = await follows(reading, turn_id, 61)
    with server.client() as client:
        for start in (2, 22, 42):
            await asyncio.to_thread(until, lambda: client.client_kill_filter(_type="pubsub") == 1)
            await asyncio.to_thread(write, writing, turn_id, *range(start, start + 20))
    assert seqs(await reader) == list(range(1, 62))
    assert "event channel lost" in caplog.text
    assert "event channel connected again" in caplog.text


async def test_a_connection_that_hangs_is_replaced(server, writing, turn_id) -> None:
    write(writing, turn_id, 1)
    with Proxy(server.port) as proxy:
        reading = RedisEventLog(server.url.replace(str(server.port), str(proxy.port)))
        reader = await follows(reading, turn_id, 3)
        proxy.hang()
        await asyncio.to_thread(write, writing, turn_id, 2, 3)
        assert seqs(await reader) == [1, 2, 3]
        reading.close()


async def test_a_loop_that_is_blocked_is_replaced(server, reading, turn_id, caplog) -> None:
    """Its readers continue, its turns are opened again, `check` says so, and one line is logged."""
    write(reading, turn_id, 1)
    reader = await follows(reading, turn_id, 4)
    release = threading.Event()
    stalled = reading._thread
    assert stalled is not None
    stalled.loop.call_soon_threadsafe(release.wait)
    try:
        reading.append(turn_id, 2, event("step.delta"))
        assert await asyncio.to_thread(reading.check) == STALLED
        await asyncio.to_thread(until, lambda: reading.lost_turns() == {turn_id})
        reading.append(turn_id, 3, event("turn.snapshot"))
        reading.append(turn_id, 4, event("step.delta"))
        assert seqs(await reader) == [1, 3, 4]
        assert reading.check() == "ok"
    finally:
        release.set()
    assert [record.levelname for record in caplog.records if "stalled" in record.message] == ["ERROR"]


async def test_a_follower_whose_tasks_have_ended_is_replaced(writing, reading, turn_id) -> None:
    """As after a cancellation from within a library: nothing raises, and nothing goes on."""
    write(writing, turn_id, 1)
    reader = await follows(reading, turn_id, 3)
    live = reading._thread
    assert live is not None
    live.loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(live.loop)])
    await asyncio.to_thread(write, writing, turn_id, 2, 3)
    assert seqs(await reader) == [1, 2, 3]


async def test_a_task_that_swallows_its_cancellation_holds_nobody_up(writing, reading, turn_id) -> None:
    write(writing, turn_id, 1)
    await follow(reading, turn_id, 0, 1)
    live = reading._thread
    assert live is not None
    begun = threading.Event()

    async def stubborn() -> None:
        while True:
            try:
                begun.set()
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                continue

    asyncio.run_coroutine_threadsafe(stubborn(), live.loop)
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    await asyncio.to_thread(reading.close)
    assert seqs(await follow(reading, turn_id, 0, 1)) == [1]
